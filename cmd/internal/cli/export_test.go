package cli

// LimitMemory is limitMemory.
func LimitMemory() { limitMemory() }
