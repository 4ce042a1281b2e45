package setup

// The values of --trace. TraceAuto traces where the kernel allows it.
const (
	TraceAuto = "auto"
	TraceOn   = "on"
	TraceOff  = "off"
)
