// Package door is what a program does that waits for others to come: it says where it
// can be reached, shows codes, and decides who may come in. Whom the user has to decide
// about it asks the user.
//
// It greets nobody, and moves no images.
package door
