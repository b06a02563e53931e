// Package cmd holds the programs: imgsend and imgrecv; imgdemo, which demonstrates them;
// imgbench, which compares their speed with that of other tools; and imgfault, which
// breaks their transfers and checks the result. The programs connect the packages engine,
// transfer and peer, and decide what the user sees.
//
// The tests of this folder run the built programs with real engines, one script in
// testdata for each behaviour.
package cmd
