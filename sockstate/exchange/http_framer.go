package exchange

// framer is the state of both parsers.
//
//	reply    Version > Space > Code > AfterCode > Reason ─┐
//	request  Method > Target > Version > LineEnd ─────────┤   (the first bytes identify a TLS, SSH
//	                                                      │    or HTTP/2 answer)
//	                                                      v
//	         ┌──────────────────────────────────────> LineStart ── empty line ──> finish
//	         │ LF                                         │ name
//	         └── LineEnd <── Value, Length*, Host*, List* <── Name
//
//	finish: interim reply > Version;  no body > Done;  Content-Length > Body > Done;
//	        chunked > ChunkSize > ChunkData > ChunkSize ... last > trailers (LineStart) > Done;
//	        otherwise, a reply's body ends with the connection > UntilEOF
//
// One byte-wise machine reads everything: a second, faster path over whole lines
// would have to agree with it on every malformed message.
type framer struct {
	left   uint64 // bytes left of the body or chunk, or the number being read
	head   uint16 // header bytes consumed, at most maxHeader
	status uint16
	flags  uint16
	state  uint8
	// word is a matcher (see words) in names and lists, a count of bytes in start lines and
	// chunk lines, and the error in Failed.
	word uint8
}

// The states. The bytes of those up to stHeaderEnd count towards maxHeader.
const (
	stStart uint8 = iota
	stVersion
	stTLS   // the first byte of a TLS record seen
	stSSH   // the first bytes of "SSH-" seen
	stFrame // the first bytes of an HTTP/2 frame seen
	stBlank // CR of an empty line before a request
	stMinor
	stSpace
	stCode
	stAfterCode
	stReason
	stMethod
	stTarget
	stLineStart
	stName
	stValue
	stLengthStart
	stLength
	stLengthTail
	stHostStart
	stHost
	stHostTail
	stListStart
	stListItem
	stListTail
	stLineEnd  // CR seen
	stHeaderLF // CR of the empty line seen
	stHeaderEnd
	stBody
	stUntilEOF
	stChunkSize
	stChunkPad
	stChunkExt
	stChunkLF
	stChunkData
	stChunkDataCR
	stChunkDataLF
	stDone
	stFailed
)

const (
	flagRequest uint16 = 1 << iota
	flagHead           // request with the method HEAD
	flagHTTP10
	flagClose
	flagKeepAlive
	flagLength
	flagChunked
	flagHost
	flagTrailers // reading the trailer section
	flagUntilEOF
	flagSlow    // request whose target begins with SlowPath
	flagExpect  // request whose client waits for 100 (Continue)
	flagInterim // an interim response has just ended

	fieldShift = 13 // the top bits are the list field being read, an index of fields
)

const (
	classToken uint8 = 1 << iota // RFC 9110, section 5.6.2
	classValue                   // field-vchar, SP, HTAB: section 5.5
	classHost                    // uri-host [ ":" port ], RFC 3986, section 3.2.2, without the comma: it would begin a second host
)

var class = func() (t [256]uint8) {
	for c := range t {
		if c >= ' ' && c != 0x7f || c == '\t' {
			t[c] |= classValue
		}
		if c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' {
			t[c] |= classToken | classHost
		}
	}
	for _, c := range "-._~%!$&'()*+;=:[]" {
		t[c] |= classHost
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] |= classToken
	}
	return t
}()

const (
	protocol = "HTTP/1."
	majorAt  = len("HTTP/") // offset of the major version in protocol
	maxChunk = 1 << 59      // with four more bits a chunk's size still fits an int64
	// net/http ends a chunked body with too much overhead; chunk lines of at most
	// 16 bytes and extensions charged four times stay below its bounds.
	maxChunkDigits    = 16
	maxChunkLine      = 250
	chunkExtensionFee = 4
)

func (f *framer) keepAlive() bool {
	if f.flags&(flagClose|flagUntilEOF) != 0 {
		return false
	}
	return f.flags&flagHTTP10 == 0 || f.flags&flagKeepAlive != 0
}

// begins reports whether no byte of the next message has been read.
func (f *framer) begins() bool { return (f.state == stVersion || f.state == stMethod) && f.word == 0 }

func (f *framer) fail(e framingError) {
	f.state, f.word = stFailed, uint8(e)
}

func (f *framer) eof() bool {
	if f.state == stUntilEOF {
		f.state = stDone
	}
	return f.state == stDone
}

func (f *framer) feed(p []byte) (n int, done bool, err error) {
	for {
		switch {
		case f.state == stDone:
			return n, true, nil
		case f.state == stFailed:
			return n, false, framingError(f.word)
		case n == len(p):
			return n, false, nil
		case f.state < stHeaderEnd:
			room := maxHeader - int(f.head)
			if room == 0 {
				if f.state == stTarget {
					f.fail(errTargetTooLarge)
				} else {
					f.fail(errHeaderTooLarge)
				}
				continue
			}
			k := f.header(p[n:min(len(p), n+room)])
			f.head += uint16(k)
			n += k
			if f.flags&flagInterim != 0 && f.begins() {
				return n, false, nil
			}
		default:
			n += f.body(p[n:])
		}
	}
}

// header consumes bytes of the header section until it ends.
func (f *framer) header(p []byte) int {
	i := 0
	for i < len(p) {
		c := p[i]
		switch f.state {
		case stVersion:
			if c != protocol[f.word] {
				f.notProtocol(c)
				break
			}
			if f.word++; int(f.word) == len(protocol) {
				f.state = stMinor
			}
		case stTLS, stSSH, stFrame:
			f.foreign(c)
		case stBlank:
			if c != '\n' {
				f.fail(errStartLine)
				break
			}
			f.state = stMethod
		case stMinor:
			switch {
			case c == '0':
				f.flags |= flagHTTP10
			case c < '1' || c > '9': // a higher minor version is treated as the highest known: RFC 9110, section 2.5
				f.failStart()
				return i
			}
			f.state, f.word = stSpace, 0
		case stSpace:
			if f.flags&flagRequest != 0 {
				if !f.endLine(c) {
					f.fail(errStartLine)
				}
				break
			}
			if c != ' ' {
				f.fail(errStartLine)
				break
			}
			f.state, f.status = stCode, 0
		case stCode:
			if c < '0' || c > '9' {
				f.fail(errStatusCode)
				break
			}
			f.status = f.status*10 + uint16(c-'0')
			if f.word++; f.word == 3 {
				f.state = stAfterCode
				if f.status < 100 || f.status > 599 {
					f.fail(errStatusRange)
				}
			}
		case stAfterCode:
			if c == ' ' {
				f.state = stReason
			} else if !f.endLine(c) {
				f.fail(errStatusCode)
			}
		case stReason, stValue:
			for class[c]&classValue != 0 {
				if i++; i == len(p) {
					return i
				}
				c = p[i]
			}
			if !f.endLine(c) {
				f.fail(errField)
			}
		case stMethod:
			const head = "HEAD"
			switch {
			case class[c]&classToken != 0:
				if int(f.word) < len(head) && c == head[f.word] {
					f.word++
				} else {
					f.word = noWord
				}
			case c == ' ' && f.word != 0:
				if int(f.word) == len(head) {
					f.flags |= flagHead
				}
				f.state, f.word = stTarget, 0
			case c == '\r' && f.word == 0: // RFC 9112, section 2.2: empty lines before a request are ignored
				f.state = stBlank
			case c == '\n' && f.word == 0:
			default:
				f.fail(errStartLine)
			}
		case stTarget:
			switch {
			case c == ' ' && f.word != 0:
				f.state, f.word = stVersion, 0
			case c > ' ' && c != 0x7f:
				f.target(c)
			default:
				f.fail(errStartLine)
			}
		case stLineStart:
			switch {
			case c == '\r':
				f.state = stHeaderLF
			case c == '\n' && f.flags&flagTrailers == 0:
				f.finish()
				return i + 1
			case class[c]&classToken != 0:
				f.state, f.word = stName, firstOfField[c]
			case c == ' ' || c == '\t':
				f.fail(errFolded)
			case c == '\n':
				f.fail(errLineEnd)
			default:
				f.fail(errField)
			}
		case stName:
			for f.word == noWord && class[c]&classToken != 0 {
				if i++; i == len(p) {
					return i
				}
				c = p[i]
			}
			switch {
			case class[c]&classToken != 0:
				f.word = fields.next(f.word, c)
			case c == ':':
				f.field()
			default:
				f.fail(errField)
			}
		case stLengthStart, stLength:
			switch {
			case c >= '0' && c <= '9':
				d := uint64(c - '0')
				if f.left > (1<<63-1-d)/10 {
					f.fail(errLength)
					break
				}
				f.left = f.left*10 + d
				f.state = stLength
			case c == ' ' || c == '\t':
				if f.state == stLength {
					f.state = stLengthTail
				}
			default:
				if f.state == stLengthStart || !f.endLine(c) {
					f.fail(errLength)
				}
			}
		case stLengthTail:
			if c != ' ' && c != '\t' && !f.endLine(c) {
				f.fail(errLength)
			}
		case stHostStart, stHost, stHostTail:
			for class[c]&classHost != 0 && f.state != stHostTail {
				f.state = stHost
				if i++; i == len(p) {
					return i
				}
				c = p[i]
			}
			switch c {
			case ' ', '\t':
				if f.state == stHost {
					f.state = stHostTail
				}
			default:
				if !f.endLine(c) {
					f.fail(errHost)
				}
			}
		case stListStart, stListItem, stListTail:
			f.list(c)
		case stLineEnd:
			if c != '\n' {
				f.fail(errLineEnd)
				break
			}
			f.state = stLineStart
		case stHeaderLF:
			if c != '\n' {
				f.fail(errLineEnd)
				break
			}
			f.finish()
			return i + 1
		}
		if f.state == stFailed {
			return i
		}
		i++
	}
	return i
}

// notProtocol handles a byte that is not the next of "HTTP/1.".
func (f *framer) notProtocol(c byte) {
	switch {
	case int(f.word) == majorAt && c >= '0' && c <= '9':
		f.fail(errVersion)
	case f.flags&(flagRequest|flagInterim) != 0 || f.word > 0:
		f.failStart()
	case c == tlsAlert || c == tlsHandshake:
		f.state = stTLS
	case c == ssh[0]:
		f.state, f.word = stSSH, 1
	case c == 0:
		f.state, f.word = stFrame, 1
	default:
		f.fail(errNotHTTP)
	}
}

// failStart fails with the error for a start line without a version.
func (f *framer) failStart() {
	switch {
	case f.flags&flagRequest != 0:
		f.fail(errStartLine)
	case f.flags&flagInterim != 0:
		f.fail(errAfterInterim)
	default:
		f.fail(errNotHTTP)
	}
}

const (
	tlsAlert, tlsHandshake = 21, 22 // content types: RFC 8446, section 5.1
	tlsMajor               = 3      // of every version since SSL 3.0
	ssh                    = "SSH-" // RFC 4253, section 4.2
	frameTypeAt            = 3      // behind the length: RFC 9113, section 4.1
	frameSettings          = 4      // a server's first frame: section 3.4
	frameGoAway            = 7
)

// foreign handles a byte of what may be another protocol's answer.
func (f *framer) foreign(c byte) {
	e := errNotHTTP
	switch {
	case f.state == stTLS && c == tlsMajor:
		e = errTLS
	case f.state == stSSH && c == ssh[f.word]:
		if f.word++; int(f.word) < len(ssh) {
			return
		}
		e = errSSH
	case f.state == stFrame && f.word < frameTypeAt:
		f.word++
		return
	case f.state == stFrame && (c == frameSettings || c == frameGoAway):
		e = errHTTP2
	}
	f.fail(e)
}

// target handles a byte of the target, of which only the beginning matters.
func (f *framer) target(c byte) {
	if int(f.word) >= len(SlowPath) || c != SlowPath[f.word] {
		f.word = noWord
		return
	}
	if f.word++; int(f.word) == len(SlowPath) {
		f.flags |= flagSlow
		f.word = noWord
	}
}

// endLine ends the line if c is a line end.
func (f *framer) endLine(c byte) bool {
	switch c {
	case '\r':
		f.state = stLineEnd
	case '\n':
		f.state = stLineStart
		if f.flags&flagTrailers != 0 {
			f.fail(errLineEnd)
		}
	default:
		return false
	}
	return true
}

// field begins the value of the field whose name has ended.
func (f *framer) field() {
	name := fields.match(f.word)
	f.state, f.word = stValue, 0
	if f.flags&flagTrailers != 0 {
		return
	}
	switch name {
	case fieldContentLength:
		if f.flags&flagLength != 0 {
			f.fail(errLengthRepeated)
			return
		}
		f.flags |= flagLength
		f.state = stLengthStart
	case fieldHost:
		if f.flags&flagRequest == 0 {
			return // it means nothing in a reply
		}
		if f.flags&flagHost != 0 {
			f.fail(errHost)
			return
		}
		f.flags |= flagHost
		f.state = stHostStart
	case fieldTransferEncoding:
		if f.flags&flagChunked != 0 {
			f.fail(errCoding)
			return
		}
		fallthrough
	case fieldConnection, fieldTrailer, fieldExpect:
		f.flags = f.flags&(1<<fieldShift-1) | uint16(name)<<fieldShift
		f.state = stListStart
	}
}

// list reads one byte of a comma-separated list.
func (f *framer) list(c byte) {
	switch {
	case c == ',':
		f.item()
		if f.state != stFailed {
			f.state, f.word = stListStart, 0
		}
	case c == ' ' || c == '\t':
		if f.state == stListItem {
			f.state = stListTail
		}
	case class[c]&classValue != 0:
		if f.state == stListTail {
			f.word = noWord
		} else {
			f.word = items.next(f.word, c)
		}
		f.state = stListItem
	default:
		f.item()
		if f.state != stFailed && !f.endLine(c) {
			f.fail(errField)
		}
	}
}

// item handles a complete list element.
func (f *framer) item() {
	it := items.match(f.word)
	switch f.flags >> fieldShift {
	case fieldConnection:
		switch it {
		case itemClose:
			f.flags |= flagClose
		case itemKeepAlive:
			f.flags |= flagKeepAlive
		}
	case fieldExpect:
		if it == itemContinue {
			f.flags |= flagExpect
		}
	case fieldTransferEncoding:
		if it != itemChunked || f.flags&flagChunked != 0 {
			f.fail(errCoding)
			return
		}
		f.flags |= flagChunked
	case fieldTrailer:
		if it == itemContentLength || it == itemTrailer || it == itemTransferEncoding {
			f.fail(errTrailer)
		}
	}
}

// finish decides how the body is framed: RFC 9112, section 6.3.
func (f *framer) finish() {
	length, chunked := f.flags&flagLength != 0, f.flags&flagChunked != 0
	request := f.flags&flagRequest != 0
	switch {
	case f.flags&flagTrailers != 0:
		f.state = stDone
		return
	case chunked && length:
		f.fail(errLengthAndCoding)
		return
	case chunked && f.flags&flagHTTP10 != 0:
		f.fail(errCoding)
		return
	case request && f.flags&(flagHTTP10|flagHost) == 0:
		f.fail(errHost)
		return
	case f.status == 101:
		f.fail(errUpgrade)
		return
	case f.status/100 == 1:
		f.state, f.word, f.left = stVersion, 0, 0
		f.flags = flagInterim
		return
	}
	f.flags &^= flagInterim
	f.word = 0
	switch {
	case f.status == 204, f.status == 304:
		f.state = stDone
	case chunked:
		f.state, f.left = stChunkSize, 0
	case length && f.left > 0:
		f.state = stBody
	case length, request:
		f.state = stDone
	default:
		f.state = stUntilEOF
		f.flags |= flagUntilEOF
	}
}

// body consumes bytes of the body until a chunk or the body ends.
func (f *framer) body(p []byte) int {
	f.flags &^= flagExpect // the client did not wait
	switch f.state {
	case stUntilEOF:
		return len(p)
	case stBody, stChunkData:
		k := len(p)
		if uint64(k) >= f.left {
			k = int(f.left)
			f.state++ // ChunkData > ChunkDataCR
			if f.state == stBody+1 {
				f.state = stDone
			}
		}
		f.left -= uint64(k)
		return k
	}
	for i, c := range p {
		switch f.state {
		case stChunkSize:
			if d := hexDigit(c); d < 16 && f.left < maxChunk && f.word < maxChunkDigits {
				f.left = f.left<<4 | uint64(d)
				break
			}
			if f.word == 0 {
				f.fail(errChunk)
				return i
			}
			f.chunkLine(c)
		case stChunkPad, stChunkExt:
			f.chunkLine(c)
		case stChunkLF:
			if c != '\n' {
				f.fail(errChunk)
				return i
			}
			f.word = 0
			if f.left > 0 {
				f.state = stChunkData
			} else {
				f.state = stLineStart
				f.flags |= flagTrailers
			}
			return i + 1
		case stChunkDataCR:
			if c != '\r' {
				f.fail(errChunk)
				return i
			}
			f.state = stChunkDataLF
			continue
		case stChunkDataLF:
			if c != '\n' {
				f.fail(errChunk)
				return i
			}
			f.state = stChunkSize
			continue
		}
		if f.state == stFailed {
			return i
		}
		f.word++
	}
	return len(p)
}

// chunkLine reads what follows a chunk's size: padding, or an extension, to CR.
func (f *framer) chunkLine(c byte) {
	switch {
	case c == '\r':
		f.state = stChunkLF
	case f.state == stChunkExt:
		f.chunkExtension(c)
	case c == ';' && f.state == stChunkSize:
		f.state = stChunkExt
		f.chunkExtension(c)
	case (c == ' ' || c == '\t') && f.word < maxChunkDigits:
		f.state = stChunkPad
	default:
		f.fail(errChunk)
	}
}

func (f *framer) chunkExtension(c byte) {
	switch {
	case c == '\n' || f.word >= maxChunkLine:
		f.fail(errChunk)
	case int(f.head)+chunkExtensionFee > maxHeader:
		f.fail(errHeaderTooLarge)
	default:
		f.head += chunkExtensionFee
	}
}

// hexDigit is the value of c, or 16.
func hexDigit(c byte) uint8 {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}
