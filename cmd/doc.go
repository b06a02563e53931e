// Package cmd holds the programs: imgsend and imgrecv, imgdemo, which shows
// them at work, imgbench, which measures them against their rivals, and imgfault,
// which breaks their transfers and examines what is left. They
// wire engine, transfer and peer together and decide what is on the screen.
//
// The tests of this folder run the built programs against real engines, one
// script in testdata for each behaviour.
package cmd
