// Package lab is what the programs share that try imgsend and imgrecv out on real
// engines: it builds the two, runs them at the two ends of a link of their own, and
// chooses, describes and examines throwaway engines. It measures and judges nothing.
package lab
