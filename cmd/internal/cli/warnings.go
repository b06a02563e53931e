package cli

// The codes of warnings.
const (
	WarnPeersFile   = "peers-file"
	WarnNotSaved    = "not-saved"
	WarnCodeUsed    = "code-used"
	WarnWrongCode   = "wrong-code"
	WarnNoCodes     = "no-codes"
	WarnRefused     = "refused"
	WarnAnybody     = "anybody"
	WarnNobody      = "nobody"
	WarnNothing     = "nothing-offered"
	WarnUnclear     = "unclear-answer"
	WarnFailed      = "transfer-failed"
	NoteMount       = "mount"
	WarnNoMulticast = "no-multicast"
	WarnLeftover    = "leftover"
	NoteNotKept     = "not-kept"
	NotePlatform    = "platform"
	NoteImage       = "image"
	NoteNameless    = "nameless"
	NoteAlone       = "alone"
)

// warnings are the codes as the manual page has them.
var warnings = []struct{ code, means string }{
	{WarnPeersFile, "a line of the file with the saved peers cannot be used"},
	{WarnNotSaved, "the time and place of this meeting could not be saved"},
	{WarnCodeUsed, "the code was tried with the other host: do not use it again"},
	{WarnWrongCode, "somebody tried a wrong code; imgrecv shows another one"},
	{WarnNoCodes, "imgrecv shows no more codes"},
	{WarnRefused, "a host that is not saved was refused, and perhaps others since the last such warning"},
	{WarnAnybody, "imgrecv lets everybody in who reaches its port"},
	{WarnNobody, "the program waits, and lets nobody in"},
	{WarnNothing, "no image here matches what --serve offers"},
	{WarnUnclear, "an answer may have been meant for another question"},
	{WarnFailed, "a transfer to imgrecv has failed, and imgrecv goes on"},
	{NoteMount, "a mount of the container is not part of its image"},
	{NoteNotKept, "a setting of the container is not part of its image"},
	{WarnLeftover, "something could not be removed after the transfer"},
	{WarnNoMulticast, "this host cannot find others on the local network, or they cannot find it"},
	{NotePlatform, "an image is for another platform than the receiving engine runs"},
	{NoteImage, "what the user should know about an image of the engine or the archive"},
	{NoteNameless, "an image arrives without a name"},
	{NoteAlone, "one of several receivers goes on alone: the images are read once more for it"},
}
