// Package words contains the list of words for codes: 1024 of the 1296 words of the EFF's
// "short wordlist 2.0" (Joseph Bonneau, Electronic Frontier Foundation, 2016), from
//
//	https://www.eff.org/files/2016/09/08/eff_short_wordlist_2_0.txt
//
// The list is licensed under Creative Commons Attribution 3.0 United States,
// https://creativecommons.org/licenses/by/3.0/us/. 272 words are left out: rude or sad words,
// names of companies, and words that are rare or hard to spell, because people read codes
// aloud. No two words have the same first three letters, and no change of a single letter turns
// one word into another, so a typing error is found before it uses up a code.
//
// # What it does not do
//
// It chooses no words and does not parse codes.
package words
