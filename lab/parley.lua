-- Wireshark dissector for parley, chat for people on one network.
--
-- It takes apart what parley says over UDP (HELLO, RETRY, tokens, numbered packets
-- and their frames), over TCP (preambles, messages, control frames, guests), and how
-- rooms find each other. Encrypted packets show their header and nothing more;
-- the handshake inside SHAKE is Wireshark's own DTLS, encrypted TCP its own TLS.
--
-- It knows parley by its looks, on any port, and by the ports 7667 and 7668.
-- Filters to begin with:
--
--	parley                          all of it
--	parley.pn == 12                 the packet with that number
--	parley.cid == 0x1122334455667788   one conversation
--	parley.frame.type == 2          acknowledgements
--	parley.ack.range contains "-"   those of more than one packet
--	parley.msg.id == 5              what carries message 5, or a part of it
--	parley.analysis.retransmission  what carries what an earlier packet carried
--	parley.analysis.duplicate       packets that the network has doubled
--	parley.crc.bad                  packets that were damaged
--	parley.room.type == "message"   what people said
--	parley.disc                     rooms that are looked for, and found
--	parley.tcp                      the same over TCP
--
-- Where TCP lost packets, Wireshark puts streams together only when it is told to
-- (-o tcp.reassemble_out_of_order:TRUE, or Preferences > Protocols > TCP).
--
-- It needs nothing but Wireshark 3 or later.

local parley = Proto("parley", "Parley")

-- Numbers of the protocol -------------------------------------------------------

local UDP_PORT, DISCOVERY_PORT = 7667, 7668
local HELLO, RETRY, REFUSE, ACCEPT, SHAKE, SEALED, PLAIN = 1, 2, 3, 4, 5, 0x40, 0x50
local HELLO_SIZE, TOKEN_SIZE, TAG_SIZE, CRC_SIZE = 1200, 20, 16, 4
local MAX_MESSAGE, MAX_SPANS = 65536, 32
local PT_TCP, PT_UDP = 2, 3 -- of pinfo.port_type

local types = {
	[HELLO] = "HELLO", [RETRY] = "RETRY", [REFUSE] = "REFUSE", [ACCEPT] = "ACCEPT", [SHAKE] = "SHAKE",
	[SEALED] = "sealed packet", [PLAIN] = "plaintext packet",
}
local modes = { [1] = "secure", [2] = "plaintext" }
local reasons = { [0] = "welcome", [1] = "version", [2] = "mode", [3] = "full", [4] = "key" }
local frame_types = {
	[0x00] = "PADDING", [0x01] = "PING", [0x02] = "ACK", [0x03] = "CREDIT", [0x04] = "CHALLENGE",
	[0x05] = "RESPONSE", [0x06] = "CLOSE", [0x10] = "MESSAGES", [0x11] = "FRAGMENT",
	[0x12] = "MESSAGES, unordered", [0x13] = "FRAGMENT, unordered", [0x14] = "BARE",
}
local close_codes = {
	[0] = "all has been said", [1] = "the protocol was broken", [2] = "not all could be delivered",
	[17] = "refused: version", [18] = "refused: mode", [19] = "refused: full", [20] = "refused: key",
}
local lanes = { [0] = "ordered", [1] = "unordered", [2] = "bare" }
local kinds = { [1] = "beacon", [2] = "query", [3] = "answer", [4] = "goodbye", [5] = "call", [6] = "called" }
local controls = { [1] = "PING", [2] = "PONG", [3] = "BYE", [4] = "HERE" }
local sums = { [0] = "Bad", [1] = "Good", [2] = "Unverified" }

-- Fields ------------------------------------------------------------------------

local F = ProtoField
local f = {
	type = F.uint8("parley.type", "Type", base.HEX, types, nil, "What kind of datagram this is"),
	flags = F.uint8("parley.flags", "Flags", base.HEX, nil, 0x0f),
	short = F.bool("parley.flags.short", "Short packet number", 8, nil, 0x08),
	at_once = F.bool("parley.flags.at_once", "To be acknowledged at once", 8, nil, 0x04),
	from_host = F.bool("parley.flags.from_host", "From the host", 8, nil, 0x02),
	phase = F.bool("parley.flags.phase", "Odd key phase", 8, nil, 0x01),
	cid = F.uint64("parley.cid", "Connection id", base.HEX, nil, nil, "Names the conversation, whatever the addresses"),
	version = F.uint8("parley.version", "Version"),
	mode = F.uint8("parley.mode", "Mode", base.DEC, modes),
	token = F.bytes("parley.token", "Token", base.NONE, "Proves that the member gets what is sent to its address"),
	reason = F.uint8("parley.reason", "Reason", base.DEC, reasons),
	padding = F.bytes("parley.padding", "Padding"),
	extra = F.bytes("parley.extra", "Bytes that do not belong here"),
	pn_low = F.uint32("parley.pn.low", "Packet number, its low bits", base.DEC),
	pn = F.uint64("parley.pn", "Packet number", base.DEC, nil, nil, "Never used again in this direction"),
	sealed = F.bytes("parley.sealed", "Sealed: encrypted frames"),
	tag = F.bytes("parley.tag", "AES-GCM tag"),
	crc = F.uint32("parley.crc", "CRC-32C", base.HEX),
	crc_status = F.uint8("parley.crc.status", "CRC-32C status", base.DEC, sums),
	crc_wanted = F.uint32("parley.crc.calculated", "CRC-32C of what came", base.HEX),
	acked_in = F.framenum("parley.acked_in", "First acknowledged in frame", base.NONE, frametype and frametype.ACK),

	frame = F.none("parley.frame", "Frame"),
	frame_type = F.uint8("parley.frame.type", "Frame type", base.HEX, frame_types),
	ack_largest = F.uint64("parley.ack.largest", "Largest packet that came"),
	ack_delay = F.uint64("parley.ack.delay", "It has waited for this, microseconds"),
	ack_count = F.uint64("parley.ack.count", "Further ranges"),
	ack_first = F.uint64("parley.ack.first", "Packets before it that came, too"),
	ack_gap = F.uint64("parley.ack.gap", "Gap: packets missing, less one"),
	ack_length = F.uint64("parley.ack.length", "Length: packets that came, less one"),
	ack_range = F.string("parley.ack.range", "Packets that came"),
	ack_frame = F.framenum("parley.ack.frame", "The largest was sent in frame", base.NONE),
	ack_rtt = F.relative_time("parley.ack.rtt", "Time since it was sent"),
	credit = F.uint64("parley.credit.limit", "Limit, bytes"),
	challenge = F.bytes("parley.path.challenge", "Challenge"),
	response = F.bytes("parley.path.response", "Response"),
	close = F.uint8("parley.close.code", "Code", base.DEC, close_codes),

	msg = F.none("parley.msg", "Message"),
	msg_first = F.uint64("parley.msg.first", "Number of the first message"),
	msg_id = F.uint64("parley.msg.id", "Message number"),
	msg_lane = F.uint8("parley.msg.lane", "Lane", base.DEC, lanes),
	msg_length = F.uint64("parley.msg.length", "Length"),
	msg_more = F.bool("parley.msg.more", "Another one follows"),
	msg_total = F.uint64("parley.msg.total", "Length of the whole message"),
	msg_offset = F.uint64("parley.msg.offset", "Offset in it"),
	msg_data = F.bytes("parley.msg.data", "Data"),
	msg_before = F.framenum("parley.msg.before", "Was in frame", base.NONE, frametype and frametype.RETRANS_PREV),
	msg_whole = F.bool("parley.msg.whole", "With this the message is whole"),

	tcp = F.none("parley.tcp", "Parley over TCP"),
	tcp_magic = F.bytes("parley.tcp.magic", "Magic"),
	tcp_length = F.uint32("parley.tcp.length", "Length of the message"),
	tcp_control = F.uint8("parley.tcp.control", "Control frame", base.DEC, controls),
	tcp_data = F.uint64("parley.tcp.control.data", "Data", base.HEX),
	guest = F.string("parley.guest.text", "Text of a guest, or for one", base.UNICODE),

	room_type = F.string("parley.room.type", "What it says", base.UNICODE),
	room_seq = F.uint64("parley.room.seq", "Number of the event"),
	room_from = F.string("parley.room.from", "From", base.UNICODE),
	room_text = F.string("parley.room.text", "Text", base.UNICODE),

	disc = F.none("parley.disc", "Parley discovery"),
	disc_magic = F.string("parley.disc.magic", "Magic"),
	kind = F.uint8("parley.disc.kind", "Kind", base.DEC, kinds),
	turn = F.uint8("parley.disc.turn", "Turn"),
	nonce = F.bytes("parley.disc.nonce", "Nonce"),
	call_port = F.uint16("parley.disc.port", "Call back at port"),
	notice = F.none("parley.disc.notice", "Notice"),
	size = F.uint16("parley.disc.size", "Size"),
	instance = F.bytes("parley.disc.instance", "Instance"),
	issue = F.uint64("parley.disc.issue", "Issue"),
	ttl = F.uint16("parley.disc.ttl", "Stands for seconds"),
	dflags = F.uint8("parley.disc.flags", "Flags", base.HEX),
	secure = F.bool("parley.disc.flags.secure", "Encrypted", 8, nil, 1),
	password = F.bool("parley.disc.flags.password", "Password wanted", 8, nil, 2),
	guests = F.bool("parley.disc.flags.guests", "Guests admitted", 8, nil, 4),
	udp_port = F.uint16("parley.disc.udp", "UDP port"),
	tcp_port = F.uint16("parley.disc.tcp", "TCP port"),
	members = F.uint16("parley.disc.members", "Members"),
	key = F.bytes("parley.disc.key", "Key of the room"),
	name_length = F.uint8("parley.disc.name_length", "Length of the name"),
	room = F.string("parley.disc.room", "Room", base.UNICODE),
	later = F.bytes("parley.disc.extra", "Of a later version"),
	signature = F.bytes("parley.disc.signature", "Signature"),
}
local fields = {}
for _, field in pairs(f) do fields[#fields + 1] = field end
parley.fields = fields

local E, group, severity = ProtoExpert, expert.group, expert.severity
local note = {
	again = E.new("parley.analysis.retransmission", "Carries what an earlier packet carried", group.SEQUENCE, severity.NOTE),
	duplicate = E.new("parley.analysis.duplicate", "This packet has come before", group.SEQUENCE, severity.NOTE),
	overtaken = E.new("parley.analysis.out_of_order", "Packets with larger numbers were here before", group.SEQUENCE, severity.NOTE),
	missing = E.new("parley.analysis.missing", "Packets before this one have not been here", group.SEQUENCE, severity.NOTE),
	crc = E.new("parley.crc.bad", "Bad checksum: the receiver drops this packet", group.CHECKSUM, severity.ERROR),
	broken = E.new("parley.broken", "This breaks the protocol", group.PROTOCOL, severity.ERROR),
	cut = E.new("parley.cut", "The capture has not all of it", group.UNDECODED, severity.NOTE),
	inside = E.new("parley.tcp.inside", "Not the beginning of a frame: the capture began later", group.UNDECODED, severity.NOTE),
}
local notes = {}
for _, n in pairs(note) do notes[#notes + 1] = n end
parley.experts = notes

local icmp_type = Field.new("icmp.type")
local icmpv6_type = Field.new("icmpv6.type")
local tcp_stream = Field.new("tcp.stream")

-- CRC-32C -----------------------------------------------------------------------

local bit = bit or bit32
if not bit then -- Lua 5.3 and later have operators instead, which 5.2 cannot even read
	bit = load([[return {
		bxor = function(a, b) return (a ~ b) & 0xffffffff end,
		band = function(a, b) return a & b & 0xffffffff end,
		rshift = function(a, n) return (a & 0xffffffff) >> n end,
		lshift = function(a, n) return (a << n) & 0xffffffff end,
	}]])()
end
local bxor, band, rshift, lshift, floor = bit.bxor, bit.band, bit.rshift, bit.lshift, math.floor

local crc_table, crc_index = {}, {} -- crc_index: from the highest byte of an entry to its place
for i = 0, 255 do
	local c = i
	for _ = 1, 8 do
		c = band(c, 1) == 1 and bxor(rshift(c, 1), 0x82f63b78) or rshift(c, 1)
	end
	crc_table[i] = c
	crc_index[rshift(c, 24)] = i
end

-- crc_over gives the state after the first n bytes of s.
local function crc_over(s, n)
	local c = -1
	local byte = string.byte
	for i = 1, n do
		c = bxor(crc_table[band(bxor(c, byte(s, i)), 255)], rshift(c, 8))
	end
	return c
end

-- crc_four gives the checksum when four bytes follow, the number v.
local function crc_four(c, v)
	for shift = 3, 0, -1 do
		local b = floor(v / 256 ^ shift) % 256
		c = bxor(crc_table[band(bxor(c, b), 255)], rshift(c, 8))
	end
	return bxor(c, -1) % 4294967296
end

-- crc_solve gives the number v with which crc_four(c, v) is sum: there is always one.
local function crc_solve(c, sum)
	local places, r = {}, bxor(sum, -1)
	for i = 4, 1, -1 do
		local k = crc_index[rshift(r, 24)]
		places[i] = k
		r = lshift(bxor(r, crc_table[k]), 8)
	end
	local v = 0
	for i = 1, 4 do
		v = v * 256 + bxor(band(c, 255), places[i])
		c = bxor(crc_table[places[i]], rshift(c, 8))
	end
	return v
end

-- What is known of conversations --------------------------------------------------

local MAX_MARKED = 512   -- of the packets that an ACK names, so many are marked as acknowledged
local talks = {}         -- by connection id: {member = direction, host = direction}
local records = {}       -- what was found out about a datagram when it was seen first
local streams = {}       -- by number of a TCP stream: "parley" or "guest"
local hosts = {}         -- by address and port: where parley was spoken over TCP

function parley.init()
	talks, records, streams, hosts = {}, {}, {}, {}
end

local function direction()
	return { next = 0, sent = {}, lanes = { [0] = {}, [1] = {} } }
end

local function talk_of(id)
	local t = talks[id]
	if not t then
		t = { member = direction(), host = direction() }
		talks[id] = t
	end
	return t
end

-- quoted tells whether this is what an ICMP error quotes, and not sent now.
local function quoted()
	return icmp_type() ~= nil or icmpv6_type() ~= nil
end

-- whole_number finds the number with these low bits that is nearest to the expected one.
local function whole_number(low, wrap, expected)
	local n = expected - expected % wrap + low
	if n + wrap / 2 <= expected then return n + wrap end
	if n > expected + wrap / 2 and n >= wrap then return n - wrap end
	return n
end

-- A number this large, read out of a checksum, is more likely one of a damaged packet.
local MOST_SOLVED = 65536

-- number_of finds the number of a packet and whether its checksum is good: true,
-- false, or nil where there is none to look at.
local function number_of(s, header, low, d, plain, cut)
	local wrap = header == 10 and 256 or 4294967296
	local n = whole_number(low, wrap, d.next)
	if not plain or cut then return n, nil end
	local e = #s - CRC_SIZE
	local a, b, c, g = s:byte(e + 1, e + 4)
	local sum = ((a * 256 + b) * 256 + c) * 256 + g
	local state = crc_over(s, e)
	local wanted = crc_four(state, floor(n / 256) % 4294967296)
	if wanted == sum then return n, true, sum, wanted end
	-- The capture may have begun later, or have a hole. The high bits of the number
	-- are under the checksum, which betrays them.
	local high = crc_solve(state, sum)
	if high < MOST_SOLVED and (header == 10 or high % 16777216 == floor(low / 256)) then
		return high * 256 + low % 256, true, sum, sum
	end
	return n, false, sum, wanted
end

-- overlap notes that a frame has carried bytes lo to hi of a message, and returns
-- the frame that carried some of them before.
local function overlap(m, lo, hi, frame)
	local before
	for _, p in ipairs(m) do
		if p.lo < hi and lo < p.hi and p.frame ~= frame then before = before or p.frame end
	end
	m[#m + 1] = { lo = lo, hi = hi, frame = frame }
	return before
end

-- assemble returns a message of which the pieces are there, once.
local function assemble(m, total)
	local at, parts = 0, {}
	table.sort(m, function(a, b) return a.lo < b.lo end)
	for _, p in ipairs(m) do
		if p.data and p.lo <= at and p.hi > at then
			parts[#parts + 1] = p.data:sub(at - p.lo + 1)
			at = p.hi
		end
	end
	if at < total then return nil end
	for _, p in ipairs(m) do p.data = nil end
	m.done = true
	return table.concat(parts)
end

-- Columns -------------------------------------------------------------------------

-- printable makes a short text for a column out of a field's text.
local function printable(s, most)
	s = s:gsub("%c", "."):gsub("\127", ".")
	if #s > most then
		s = s:sub(1, most):gsub("[\192-\255][\128-\191]*$", "") .. "..."
	end
	return s
end

-- say fills in the columns; what was said of the same frame before stays.
local function say(pinfo, text)
	local protocol = tostring(pinfo.cols.protocol)
	if protocol == "PARLEY" then
		pinfo.cols.info:append(" | " .. text)
	else
		pinfo.cols.protocol = "PARLEY"
		pinfo.cols.info = text
	end
end

-- Messages of rooms ------------------------------------------------------------------

local json = Dissector.get("json")

-- string_in finds a string in JSON that Go made: no space stands between key and value.
local function string_in(s, key)
	local at = select(2, s:find('"' .. key .. '":"', 1, true))
	if not at then return nil end
	local from = at + 1
	while true do
		local q = s:find('["\\]', at + 1)
		if not q then return nil end
		if s:sub(q, q) == '"' then return s:sub(from, q - 1), from, q - from end
		at = q + 1
	end
end

-- u64 makes of a number what fields of 64 bits take, in every version of Lua.
local function u64(v)
	return UInt64.new(v % 4294967296, floor(v / 4294967296))
end

-- What a room says is made of: in JSON, and in fields.
local said = { { "type", f.room_type }, { "from", f.room_from }, { "text", f.room_text } }

-- message shows a whole message and returns what it says in short.
local function message(tvb, pinfo, tree)
	local n = tvb:len()
	tree:add(f.msg_data, tvb(0, n))
	local s = tvb:raw(0, n)
	if s:sub(1, 2) ~= '{"' or not string_in(s, "type") then
		return n == 1 and " (1 byte)" or " (" .. n .. " bytes)"
	end
	local short = ":"
	local digits, at = s:match('"seq":(%d+)()')
	if digits and #digits <= 15 then
		tree:add(f.room_seq, tvb(at - 1 - #digits, #digits), u64(tonumber(digits)))
		short = ": #" .. digits
	end
	for _, w in ipairs(said) do
		local text, at, size = string_in(s, w[1])
		if text and size > 0 then
			tree:add(w[2], tvb(at - 1, size))
			text = printable(tvb(at - 1, size):string(ENC_UTF_8), 48)
			if w[1] == "from" then text = "of " .. text elseif w[1] == "text" then text = '"' .. text .. '"' end
			short = short .. " " .. text
		end
	end
	if json then
		local protocol, info = tostring(pinfo.cols.protocol), tostring(pinfo.cols.info)
		pcall(json.call, json, tvb, pinfo, tree)
		pinfo.cols.protocol, pinfo.cols.info = protocol, info
	end
	return short
end

-- Frames of packets --------------------------------------------------------------------

-- varint reads the number at place p (from 1), which ends before e; it returns the
-- number and the place after it, or nothing.
local function varint(s, p, e)
	if not p or p >= e then return nil end
	local b = s:byte(p)
	local n = 2 ^ floor(b / 64)
	if p + n > e then return nil end
	local v = b % 64
	for i = 1, n - 1 do v = v * 256 + s:byte(p + i) end
	return v, p + n
end

-- A number shows one number of a frame and returns it and the place after it.
local function number(c, tree, field, p)
	local v, after = varint(c.s, p, c.e)
	if v then tree:add(field, c.tvb(p - 1, after - p), u64(v)) end
	return v, after
end

local function span(lo, hi)
	if lo == hi then return string.format("%.0f", lo) end
	return string.format("%.0f-%.0f", lo, hi)
end

-- mark notes which packets of the other direction an ACK is the first to name.
local function mark(c, lo, hi)
	if not c.first or hi >= 2 ^ 53 then return end -- from there on Lua counts in larger steps than one
	for n = hi, math.max(lo, hi - MAX_MARKED), -1 do
		local p = c.peer.sent[n]
		if p and not p.acked then p.acked = c.pinfo.number end
	end
end

local function ack(c, tree, p)
	local largest, delay, count, first
	largest, p = number(c, tree, f.ack_largest, p)
	delay, p = number(c, tree, f.ack_delay, p)
	count, p = number(c, tree, f.ack_count, p)
	first, p = number(c, tree, f.ack_first, p)
	if not first or first > largest or count > MAX_SPANS then return nil end
	local lo, hi, said = largest - first, largest, {}
	local at = p
	for i = 0, count do
		if i > 0 then
			local gap, length
			gap, p = number(c, tree, f.ack_gap, p)
			length, p = number(c, tree, f.ack_length, p)
			if not length or gap > lo or lo - gap < 2 or length > lo - gap - 2 then return nil end
			hi = lo - gap - 2
			lo = hi - length
		end
		local text = span(lo, hi)
		said[#said + 1] = text
		tree:add(f.ack_range, c.tvb(at - 2, 1), text):set_generated()
		mark(c, lo, hi)
	end
	local sent = c.peer and c.peer.sent[largest]
	if sent and sent.frame < c.pinfo.number then
		tree:add(f.ack_frame, c.tvb(at - 2, 1), sent.frame):set_generated()
		local since = c.pinfo.rel_ts - sent.at
		tree:add(f.ack_rtt, c.tvb(at - 2, 1), NSTime.new(floor(since), floor((since % 1) * 1e9 + .5))):set_generated()
	end
	local text = "ack " .. table.concat(said, ", ", 1, math.min(#said, 6)) .. (#said > 6 and ", ..." or "")
	tree:append_text(": packets " .. table.concat(said, ", "))
	c.info[#c.info + 1] = text
	return p
end

-- before looks up, or at first finds out, in which frame bytes of a message were before.
local function before(c, lane, n, lo, hi, data, total)
	c.piece = c.piece + 1
	local r = c.record
	if c.first then
		local m = c.d.lanes[lane][n]
		if not m then
			m = {}
			c.d.lanes[lane][n] = m
		end
		r.before[c.piece] = overlap(m, lo, hi, c.pinfo.number) or false
		if not m.done then
			m[#m].data = data
			local whole = assemble(m, total)
			if whole and #data < total then r.whole[c.piece] = whole end
		end
	end
	if not r or not c.good then return nil end
	return r.before[c.piece] or nil, r.whole[c.piece]
end

-- again says that what an item shows was sent before.
local function again(c, item, range, frame)
	if not frame then return "" end
	item:add(f.msg_before, range, frame):set_generated()
	item:add_proto_expert_info(note.again, "It was in frame " .. frame)
	return " again"
end

-- messages reads MESSAGES: whole ones, with numbers in a row.
local function messages(c, tree, p, lane)
	local first, at = number(c, tree, f.msg_first, p)
	if not first then return nil end
	tree:add(f.msg_lane, c.tvb(c.at - 1, 1), lane)
	local n = first
	while true do
		local v, data = varint(c.s, at, c.e)
		local size = v and floor(v / 2)
		if not v or size == 0 or size > MAX_MESSAGE or data + size > c.e then return nil end
		local item = tree:add(f.msg, c.tvb(at - 1, data - at + size))
		local range = c.tvb(at - 1, data - at)
		item:add(f.msg_id, range, u64(n)):set_generated()
		item:add(f.msg_length, range, u64(size))
		item:add(f.msg_more, range, v % 2 == 1)
		local old = before(c, lane, n, 0, size, c.s:sub(data, data + size - 1), size)
		local short = message(c.tvb(data - 1, size):tvb(), c.pinfo, item)
		local text = string.format("%.0f", n) .. again(c, item, range, old)
		item:set_text("Message " .. text .. short)
		c.info[#c.info + 1] = (lane == 1 and "unordered message " or "message ") .. text .. short
		at, n = data + size, n + 1
		if v % 2 == 0 then break end
	end
	tree:append_text(": " .. span(first, n - 1))
	return at
end

-- fragment reads FRAGMENT: a part of one message.
local function fragment(c, tree, p, lane)
	local n, total, offset, size
	local from = p
	n, p = number(c, tree, f.msg_id, p)
	total, p = number(c, tree, f.msg_total, p)
	offset, p = number(c, tree, f.msg_offset, p)
	size, p = number(c, tree, f.msg_length, p)
	if not size or total > MAX_MESSAGE or offset > total or size > total - offset or size == 0 or p + size > c.e then return nil end
	tree:add(f.msg_lane, c.tvb(c.at - 1, 1), lane)
	local range = c.tvb(p - 1, size)
	tree:add(f.msg_data, range)
	local old, whole = before(c, lane, n, offset, offset + size, c.s:sub(p, p + size - 1), total)
	local text = string.format("%.0f", n) .. again(c, tree, c.tvb(from - 1, p - from), old)
		.. string.format(" bytes %.0f-%.0f of %.0f", offset, offset + size - 1, total)
	tree:append_text(": message " .. text)
	c.info[#c.info + 1] = (lane == 1 and "unordered message " or "message ") .. text
	if whole then
		tree:add(f.msg_whole, c.tvb(c.at - 1, 1), true):set_generated()
		local item = tree:add(f.msg, range)
		local short = message(ByteArray.new(whole, true):tvb("Message " .. string.format("%.0f", n)), c.pinfo, item)
		item:set_text("The whole message" .. short)
		c.info[#c.info + 1] = "now whole" .. short
	end
	return p + size
end

local function bare(c, tree, p)
	local size
	size, p = number(c, tree, f.msg_length, p)
	if not size or size == 0 or p + size > c.e then return nil end
	tree:add(f.msg_lane, c.tvb(c.at - 1, 1), 2)
	local short = message(c.tvb(p - 1, size):tvb(), c.pinfo, tree)
	c.info[#c.info + 1] = "bare message" .. short
	return p + size
end

-- frame reads the frame of type t whose contents begin at p, into tree.
local function frame(c, tree, t, p)
	if t == 0x01 then
		c.info[#c.info + 1] = "ping"
		return p
	elseif t == 0x02 then
		return ack(c, tree, p)
	elseif t == 0x03 then
		local limit, after = number(c, tree, f.credit, p)
		if limit then c.info[#c.info + 1] = string.format("credit %.0f", limit) end
		return after
	elseif t == 0x04 or t == 0x05 then
		if p + 8 > c.e then return nil end
		tree:add(t == 0x04 and f.challenge or f.response, c.tvb(p - 1, 8))
		c.info[#c.info + 1] = t == 0x04 and "challenge" or "response"
		return p + 8
	elseif t == 0x06 then
		if p >= c.e then return nil end
		local code = c.s:byte(p)
		tree:add(f.close, c.tvb(p - 1, 1))
		c.info[#c.info + 1] = "close: " .. (close_codes[code] or "code " .. code)
		return p + 1
	elseif t == 0x10 or t == 0x12 then
		return messages(c, tree, p, t == 0x12 and 1 or 0)
	elseif t == 0x11 or t == 0x13 then
		return fragment(c, tree, p, t == 0x13 and 1 or 0)
	elseif t == 0x14 then
		return bare(c, tree, p)
	end
	return nil
end

-- frames reads the frames of a packet, from place p.
local function frames(c, tree, p)
	while p < c.e do
		local t, to = c.s:byte(p), p + 1
		if t == 0 then -- a whole run of it as one
			to = c.s:find("[^%z]", p) or c.e
			if to > c.e then to = c.e end
		end
		local item = tree:add(f.frame, c.tvb(p - 1, to - p))
		item:set_text(frame_types[t] or string.format("Frame of unknown type 0x%02x", t))
		item:add(f.frame_type, c.tvb(p - 1, 1))
		c.at = p
		if t == 0 then
			item:append_text(": " .. (to - p) .. (to - p == 1 and " byte" or " bytes"))
			if to - p > 1 then item:add(f.padding, c.tvb(p, to - p - 1)) end
			c.padded = c.padded + to - p
		else
			to = frame(c, item, t, to)
			if not to then
				item:add(f.extra, c.tvb(p - 1, c.e - p))
				item:set_len(c.e - p)
				-- Of a packet that the capture cut off, or that was damaged, this is no wonder.
				if c.good then item:add_proto_expert_info(note.broken) end
				c.info[#c.info + 1] = "unreadable"
				return
			end
			item:set_len(to - p)
		end
		p = to
	end
end

-- Datagrams ---------------------------------------------------------------------------

-- id shows the connection id, which all datagrams have.
local function id_of(tvb, tree, at)
	tree:add(f.cid, tvb(at, 8))
	return tvb:raw(at, 8)
end

local function rest(tvb, tree, at, field)
	if tvb:len() > at then tree:add(field, tvb(at)) end
end

local function hello(tvb, pinfo, tree)
	tree:add(f.version, tvb(1, 1))
	tree:add(f.mode, tvb(2, 1))
	id_of(tvb, tree, 3)
	tree:add(f.token, tvb(11, TOKEN_SIZE))
	rest(tvb, tree, 31, f.padding)
	local token = tvb:raw(11, TOKEN_SIZE):find("[^%z]") and ", here is the token" or ", who are you at that address?"
	local mode = tvb:raw(2, 1):byte()
	return "HELLO, " .. (modes[mode] or "mode " .. mode) .. token
end

local function retry(tvb, pinfo, tree)
	id_of(tvb, tree, 1)
	tree:add(f.token, tvb(9, TOKEN_SIZE))
	rest(tvb, tree, 29, f.extra)
	return "RETRY with this token, which proves that you are there"
end

local function refuse(tvb, pinfo, tree)
	id_of(tvb, tree, 1)
	tree:add(f.reason, tvb(9, 1))
	rest(tvb, tree, 10, f.extra)
	local reason = tvb:raw(9, 1):byte()
	return "REFUSE: " .. (reasons[reason] or "reason " .. reason)
end

local function accept(tvb, pinfo, tree)
	id_of(tvb, tree, 1)
	rest(tvb, tree, 9, f.padding)
	return "ACCEPT"
end

local dtls = Dissector.get("dtls")

-- shake shows what carries a DTLS datagram, and lets Wireshark's DTLS show that.
local function shake(tvb, pinfo, tree, root)
	id_of(tvb, tree, 1)
	tree:add(f.token, tvb(9, TOKEN_SIZE))
	local s, p = tvb:raw(), 29
	while p + 13 <= #s and s:byte(p + 1) >= 20 and s:byte(p + 1) <= 26 and s:byte(p + 2) == 0xfe do
		p = p + 13 + s:byte(p + 12) * 256 + s:byte(p + 13)
	end
	p = math.min(p, #s)
	rest(tvb, tree, p, f.padding)
	if p == 29 then return "SHAKE without DTLS" end
	pinfo.cols.info = ""
	if dtls then pcall(dtls.call, dtls, tvb(29, p - 29):tvb(), pinfo, root) end
	local info = tostring(pinfo.cols.info)
	return "SHAKE " .. (info:find("^%(") and "" or info), tostring(pinfo.cols.protocol)
end

-- first_look finds out about a packet what later looks go by.
local function first_look(tvb, pinfo, s, header, low, plain, cut)
	local id, host = s:sub(2, 9), band(s:byte(1), 2) ~= 0
	local known = talks[id]
	local t = known or { member = direction(), host = direction() }
	local d = host and t.host or t.member
	local r = { before = {}, whole = {} }
	r.n, r.good, r.sum, r.wanted = number_of(s, header, low, d, plain, cut)
	if r.good == false or quoted() then return r, nil end
	t = talk_of(id)
	d = host and t.host or t.member
	local old = d.sent[r.n]
	if old then
		r.duplicate = old.frame
		return r, nil
	end
	if r.n > d.next then r.missing = { d.next, r.n - 1 } end
	if r.n < d.next then r.overtaken = true end
	d.next = math.max(d.next, r.n + 1)
	d.sent[r.n] = { frame = pinfo.number, at = pinfo.rel_ts }
	return r, t
end

-- remarks shows what is known about a packet from those around it.
local function remarks(r, tree, range, t, host, pinfo)
	if r.duplicate then
		tree:add_proto_expert_info(note.duplicate, "This packet was in frame " .. r.duplicate .. " already")
	elseif r.overtaken then
		tree:add_proto_expert_info(note.overtaken)
	elseif r.missing then
		tree:add_proto_expert_info(note.missing, "Packets " .. span(r.missing[1], r.missing[2]) .. " have not been here")
	end
	local d = t and (host and t.host or t.member)
	local p = d and d.sent[r.n]
	if p and p.acked and pinfo.visited then tree:add(f.acked_in, range, p.acked):set_generated() end
end

-- checksum shows the CRC and what it should be.
local function checksum(r, tvb, tree, cut)
	local e = tvb:len() - CRC_SIZE
	if cut then
		tree:add(f.crc_status, tvb(0, 1), 2):set_generated()
		tree:add_proto_expert_info(note.cut)
		return
	end
	local item = tree:add(f.crc, tvb(e, CRC_SIZE))
	tree:add(f.crc_status, tvb(e, CRC_SIZE), r.good and 1 or 0):set_generated()
	if r.good then
		item:append_text(" [correct]")
		return
	end
	item:append_text(" [incorrect]")
	tree:add(f.crc_wanted, tvb(e, CRC_SIZE), r.wanted):set_generated()
	item:add_proto_expert_info(note.crc)
end

-- packet shows a sealed or plaintext packet.
local function packet(tvb, pinfo, tree)
	local s, cut = tvb:raw(), tvb:reported_len() > tvb:len()
	local b = s:byte(1)
	local plain, host, header = b >= PLAIN, band(b, 2) ~= 0, band(b, 8) ~= 0 and 10 or 13
	local flags = tree:add(f.flags, tvb(0, 1))
	for _, field in ipairs({ f.short, f.at_once, f.from_host, f.phase }) do flags:add(field, tvb(0, 1)) end
	id_of(tvb, tree, 1)
	local range = tvb(9, header - 9)
	local low = range:uint()
	tree:add(f.pn_low, range)

	local key = pinfo.number * 65536 + tvb:offset()
	local r, first = records[key], nil
	if not r then
		r, first = first_look(tvb, pinfo, s, header, low, plain, cut)
		records[key] = r
	end
	local t = first or talks[s:sub(2, 9)]
	local item = tree:add(f.pn, range, u64(r.n))
	item:set_generated()
	remarks(r, item, range, t, host, pinfo)

	local text = string.format("packet %.0f", r.n)
	tree:append_text(", " .. text .. (host and " from the host" or " from the member"))
	if r.duplicate then text = text .. " once more" end
	if not plain then
		local e = tvb:len() - (cut and 0 or TAG_SIZE)
		if e > header then tree:add(f.sealed, tvb(header, e - header)) end
		if not cut then tree:add(f.tag, tvb(e, TAG_SIZE)) end
		return text .. ", sealed: " .. (tvb:reported_len() - header - TAG_SIZE) .. " bytes"
	end
	local c = {
		tvb = tvb, s = s, e = cut and #s + 1 or #s - CRC_SIZE + 1, pinfo = pinfo, info = {}, padded = 0, piece = 0,
		record = r, first = first ~= nil, good = r.good,
		d = t and (host and t.host or t.member), peer = t and (host and t.member or t.host),
	}
	frames(c, tree, header + 1)
	checksum(r, tvb, tree, cut)
	if c.padded > 0 then c.info[#c.info + 1] = "padded" end
	if r.good == false then text = text .. " DAMAGED" end
	return text .. ": " .. table.concat(c.info, ", ")
end

-- Discovery ---------------------------------------------------------------------------

local NOTICE_FIXED, SIGNATURE_SIZE = 60, 64

-- one_notice shows a notice and returns the size of it and the room's name.
local function one_notice(tvb, at, tree)
	local left = tvb:len() - at
	if left < NOTICE_FIXED + 1 + SIGNATURE_SIZE then return nil end
	local size, n = tvb(at, 2):uint(), tvb(at + 59, 1):uint()
	if size > left or size < NOTICE_FIXED + n + SIGNATURE_SIZE or n == 0 then return nil end
	local item = tree:add(f.notice, tvb(at, size))
	local x = at
	for _, w in ipairs({ { f.size, 2 }, { f.instance, 8 }, { f.issue, 8 }, { f.ttl, 2 }, { f.dflags, 1 }, { f.udp_port, 2 },
		{ f.tcp_port, 2 }, { f.members, 2 }, { f.key, 32 }, { f.name_length, 1 } }) do
		local i = item:add(w[1], tvb(x, w[2]))
		if w[1] == f.dflags then
			for _, field in ipairs({ f.secure, f.password, f.guests }) do i:add(field, tvb(x, 1)) end
		end
		x = x + w[2]
	end
	item:add(f.room, tvb(x, n), tvb(x, n):string(ENC_UTF_8))
	x = x + n
	local e = at + size - SIGNATURE_SIZE
	if e > x then item:add(f.later, tvb(x, e - x)) end
	item:add(f.signature, tvb(e, SIGNATURE_SIZE))
	local name = printable(tvb(at + NOTICE_FIXED, n):string(ENC_UTF_8), 63)
	item:set_text("Room " .. name .. ", " .. tvb(at + 25, 2):uint() .. " members")
	return size, name
end

local function discovery(tvb, pinfo, root)
	local tree = root:add(parley, tvb(), "Parley discovery")
	local all = tree:add(f.disc, tvb())
	all:set_hidden()
	local x = 0
	for _, w in ipairs({ { f.disc_magic, 4 }, { f.version, 1 }, { f.kind, 1 }, { f.turn, 1 }, { f.nonce, 8 } }) do
		tree:add(w[1], tvb(x, w[2]))
		x = x + w[2]
	end
	local kind = tvb(5, 1):uint()
	local text = kinds[kind] or "kind " .. kind
	if kind == 2 then
		rest(tvb, tree, x, f.padding)
		text = "query: which rooms are here?"
	elseif kind == 5 and tvb:len() >= x + 2 then
		tree:add(f.call_port, tvb(x, 2))
		text = "call: call me back at port " .. tvb(x, 2):uint()
		rest(tvb, tree, x + 2, f.padding)
	elseif kind == 1 or kind == 3 or kind == 4 then
		local names = {}
		while x < tvb:len() do
			local size, name = one_notice(tvb, x, tree)
			if not size then
				tree:add(f.extra, tvb(x)):add_proto_expert_info(tvb:reported_len() > tvb:len() and note.cut or note.broken)
				break
			end
			x, names[#names + 1] = x + size, name
		end
		text = text .. ": room " .. table.concat(names, ", ", 1, math.min(#names, 8)) .. (kind == 4 and " is gone" or " is here")
	else
		rest(tvb, tree, x, f.extra)
	end
	tree:append_text(", " .. (kinds[kind] or "kind " .. kind))
	say(pinfo, text)
	return tvb:len()
end

local function is_discovery(tvb)
	return tvb:len() >= 15 and tvb:raw(0, 5) == "prly\1"
end

-- UDP ---------------------------------------------------------------------------------

local shapes = {
	[HELLO] = { 31, hello }, [RETRY] = { 29, retry }, [REFUSE] = { 10, refuse }, [ACCEPT] = { 9, accept }, [SHAKE] = { 29, shake },
	[SEALED] = { 10 + 1 + TAG_SIZE, packet }, [PLAIN] = { 10 + 1 + CRC_SIZE, packet },
}

local function shape_of(tvb)
	if tvb:len() < 9 then return nil end
	local b = tvb(0, 1):uint()
	local t = b >= SEALED and b - b % 16 or b
	local shape = shapes[t]
	local least = shape and shape[1]
	if least and b >= SEALED and band(b, 8) == 0 then least = least + 3 end
	if not shape or tvb:len() < least then
		-- What is cut off may show its header yet.
		if not shape or tvb:reported_len() < least or tvb:len() < 13 or b < SEALED then return nil end
	end
	return t, shape[2]
end

local function datagram(tvb, pinfo, root)
	local t, show = shape_of(tvb)
	if not t then return 0 end
	local tree = root:add(parley, tvb(), "Parley, " .. types[t])
	tree:add(f.type, tvb(0, 1), t)
	if t < SEALED and not pinfo.visited and not quoted() then
		talk_of(tvb:raw(t == HELLO and 3 or 1, 8))
	end
	local text, protocol = show(tvb, pinfo, tree, root)
	if protocol and protocol:find("DTLS") then
		pinfo.cols.info = text
	else
		say(pinfo, text)
	end
	return tvb:len()
end

-- zeros tells whether there is nothing else from a place on.
local function zeros(tvb, at)
	return not tvb:raw(at):find("[^%z]")
end

-- sure tells whether a datagram can hardly be anything else.
local function sure(tvb)
	local t = shape_of(tvb)
	local n = tvb:reported_len()
	if not t then return false end
	if t ~= HELLO and talks[tvb:raw(1, 8)] then return true end
	if t == HELLO then
		local version, mode = tvb(1, 1):uint(), tvb(2, 1):uint()
		return n == HELLO_SIZE and version >= 1 and version < 16 and modes[mode] ~= nil and zeros(tvb, 31)
	elseif t == ACCEPT then
		return n == HELLO_SIZE and zeros(tvb, 9)
	elseif t == SHAKE then
		return tvb:len() > 42 and tvb(29, 1):uint() >= 20 and tvb(29, 1):uint() <= 22 and tvb(30, 1):uint() == 0xfe
	elseif t == PLAIN and tvb:len() == n then
		local s = tvb:raw()
		local header = band(s:byte(1), 8) ~= 0 and 10 or 13
		local _, good = number_of(s, header, tvb(9, header - 9):uint(), { next = 0 }, true, false)
		return good and band(s:byte(1), 1) == 0
	end
	return false
end

-- TCP ---------------------------------------------------------------------------------

local PREAMBLE = "\137parley"

local function preamble(tvb, at, pinfo, tree)
	local item = tree:add(parley, tvb(at, 9), "Parley over TCP, preamble")
	item:add(f.tcp, tvb(at, 9)):set_hidden()
	item:add(f.tcp_magic, tvb(at, 7))
	item:add(f.version, tvb(at + 7, 1))
	item:add(f.reason, tvb(at + 8, 1))
	local reason = tvb(at + 8, 1):uint()
	say(pinfo, reason == 0 and "preamble" or "refused: " .. (reasons[reason] or reason))
end

local function control(tvb, at, pinfo, tree)
	local kind = tvb(at + 4, 1):uint()
	local name = controls[kind] or "control frame " .. kind
	local item = tree:add(parley, tvb(at, 13), "Parley over TCP, " .. name)
	item:add(f.tcp, tvb(at, 13)):set_hidden()
	item:add(f.tcp_length, tvb(at, 4))
	item:add(f.tcp_control, tvb(at + 4, 1))
	item:add(f.tcp_data, tvb(at + 5, 8))
	say(pinfo, name)
end

local function framed(tvb, at, size, pinfo, tree)
	local item = tree:add(parley, tvb(at, 4 + size), "Parley over TCP, message")
	item:add(f.tcp, tvb(at, 4 + size)):set_hidden()
	item:add(f.tcp_length, tvb(at, 4))
	local short = message(tvb(at + 4, size):tvb(), pinfo, item)
	item:append_text(short)
	say(pinfo, "message" .. short)
end

-- want asks for more of a stream, and says where to begin then.
local function want(pinfo, at, more)
	pinfo.desegment_offset, pinfo.desegment_len = at, more
end

-- stream shows the frames of a plaintext stream. Frames begin with 0, preambles do not.
local function stream(tvb, pinfo, tree)
	local n, at = tvb:len(), 0
	while at < n do
		local left = n - at
		local first, size = tvb(at, 1):uint(), nil
		if first == 0x89 then
			size = 9
		elseif left < 4 then
			size = nil
		else
			size = tvb(at, 4):uint()
			if size > MAX_MESSAGE then
				local item = tree:add(parley, tvb(at), "Parley over TCP, the inside of a frame")
				item:add(f.extra, tvb(at)):add_proto_expert_info(note.inside)
				say(pinfo, "the inside of a frame")
				return n
			end
			size = size == 0 and 13 or 4 + size
		end
		if not size or left < size then
			want(pinfo, at, size and size - left or DESEGMENT_ONE_MORE_SEGMENT)
			return n
		end
		if first == 0x89 then preamble(tvb, at, pinfo, tree)
		elseif tvb(at, 4):uint() == 0 then control(tvb, at, pinfo, tree)
		else framed(tvb, at, size - 4, pinfo, tree) end
		at = at + size
	end
	return n
end

-- text shows what a guest types or reads, a line an item.
local function text(tvb, pinfo, root)
	local s, at = tvb:raw(), 0
	local tree = root:add(parley, tvb(), "Parley, in clear text for a guest")
	tree:add(f.tcp, tvb()):set_hidden()
	while at < #s do
		local e = s:find("\n", at + 1, true) or #s
		tree:add(f.guest, tvb(at, e - at), printable(tvb(at, e - at):string(ENC_UTF_8), 4096))
		at = e
	end
	say(pinfo, "guest: " .. printable(tvb:range():string(ENC_UTF_8), 80))
	return #s
end

-- Text, and what telnet says between it.
local function is_text(tvb)
	return not tvb:raw():find("[%z\1-\6\14-\26\28-\31]")
end

local function segment(tvb, pinfo, root)
	local first = tvb(0, 1):uint()
	local info = tcp_stream()
	local number = info and info.value
	if number and streams[number] == "guest" then
		return is_text(tvb) and text(tvb, pinfo, root) or 0
	end
	if first == 0 and number and streams[number] ~= "parley" then
		-- The beginning was not captured: it must look like a frame.
		if tvb:len() < 5 or tvb(0, 4):uint() > MAX_MESSAGE then return 0 end
	elseif first ~= 0 and tvb:raw(0, math.min(7, tvb:len())) ~= PREAMBLE:sub(1, tvb:len()) then
		if number and streams[number] == "parley" then return stream(tvb, pinfo, root) end
		if first == 0x16 or not is_text(tvb) then return 0 end -- TLS, or who knows
		if number then streams[number] = "guest" end
		return text(tvb, pinfo, root)
	end
	if number then streams[number] = "parley" end
	return stream(tvb, pinfo, root)
end

-- Wireshark ---------------------------------------------------------------------------

function parley.dissector(tvb, pinfo, tree)
	if tvb:len() == 0 then return 0 end
	if pinfo.port_type == PT_TCP then return segment(tvb, pinfo, tree) end
	if is_discovery(tvb) then return discovery(tvb, pinfo, tree) end
	return datagram(tvb, pinfo, tree)
end

parley:register_heuristic("udp", function(tvb, pinfo, tree)
	if is_discovery(tvb) then
		discovery(tvb, pinfo, tree)
		return true
	end
	if tvb:len() == 0 or not sure(tvb) then return false end
	datagram(tvb, pinfo, tree)
	pinfo.conversation = parley
	return true
end)

parley:register_heuristic("tcp", function(tvb, pinfo, tree)
	if tvb:len() >= 9 and tvb:raw(0, 7) == PREAMBLE then
		-- The one that dials speaks first.
		if not pinfo.visited then hosts[tostring(pinfo.dst) .. " " .. pinfo.dst_port] = true end
	elseif not hosts[tostring(pinfo.dst) .. " " .. pinfo.dst_port] and not hosts[tostring(pinfo.src) .. " " .. pinfo.src_port] then
		return false
	end
	if segment(tvb, pinfo, tree) == 0 then return false end
	pinfo.conversation = parley
	return true
end)

DissectorTable.get("udp.port"):add(UDP_PORT, parley)
DissectorTable.get("udp.port"):add(DISCOVERY_PORT, parley)
DissectorTable.get("tcp.port"):add(UDP_PORT, parley)
