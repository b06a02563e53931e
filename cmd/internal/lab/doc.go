// Package lab is shared by the programs that run imgsend and imgrecv on real engines
// (imgbench, imgfault). It builds the two, runs them at the two ends of a virtual link,
// and chooses, describes and inspects throwaway engines. It measures nothing and checks
// no promise.
package lab
