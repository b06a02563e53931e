// Package words is the list of words that codes are made of: 1024 of the 1296 words of
// the EFF's "short wordlist 2.0" (Joseph Bonneau, Electronic Frontier Foundation, 2016),
// from
//
//	https://www.eff.org/files/2016/09/08/eff_short_wordlist_2_0.txt
//
// It is licensed under Creative Commons Attribution 3.0 United States,
// https://creativecommons.org/licenses/by/3.0/us/. The 272 words that are left out are
// rude or sad ones, names of companies, and those that are rare or hard to spell: people
// read codes out. No two words begin with the same three letters, and no single wrong
// letter turns one word into another: a typing error is noticed before it uses up a code.
//
// # What it does not do
//
// It chooses no word and knows no code.
package words
