-- Wireshark: ENet's protocol, command by command. See docs/capture.md.
--
--   wireshark -X lua_script:docs/enet.lua capture.pcapng
--
-- To have it always, put this file into the folder "Personal Lua Plugins" (Help, About, Folders). Datagrams are found
-- by their form, on any port; "Decode As… enet" has a port decoded in any case. What is compressed is named only.

local enet = Proto("enet", "ENet")

enet.prefs.checksum = Pref.enum("Checksum", 2, "Whether datagrams have a CRC32 behind the header", {
  { 1, "none", 0 }, { 2, "found by its form", 2 }, { 3, "CRC32", 1 },
}, false)

local NO_PEER = 0xFFF
local f = enet.fields
f.peer = ProtoField.uint16("enet.peer", "Peer of the receiver")
f.session = ProtoField.uint8("enet.session", "Session")
f.compressed = ProtoField.bool("enet.compressed", "Compressed")
f.sent_time = ProtoField.uint16("enet.sent_time", "Sent at (ms)")
f.checksum = ProtoField.uint32("enet.checksum", "Checksum", base.HEX)
f.encryption = ProtoField.string("enet.encryption", "Encryption")
f.command = ProtoField.string("enet.command", "Command")
f.acknowledge = ProtoField.bool("enet.acknowledge", "To be acknowledged")
f.unsequenced = ProtoField.bool("enet.unsequenced", "Unsequenced")
f.channel = ProtoField.uint8("enet.channel", "Channel")
f.sequence = ProtoField.uint16("enet.sequence", "Reliable sequence number")
f.data = ProtoField.bytes("enet.data", "Data")

local damaged = ProtoExpert.new("enet.damaged", "Damaged", expert.group.MALFORMED, expert.severity.WARN)
enet.experts = { damaged }

-- Fields of commands: name, bytes, label. `length` is that of the data behind them.
local function number(name, bytes, label)
  local make = ({ ProtoField.uint8, ProtoField.uint16, nil, ProtoField.uint32 })[bytes]
  f[name] = f[name] or make("enet." .. name, label)
  return { name, bytes }
end
local connect = {
  number("outgoing_peer", 2, "Peer of the sender"), number("incoming_session", 1, "Incoming session"),
  number("outgoing_session", 1, "Outgoing session"), number("mtu", 4, "MTU"),
  number("window", 4, "Window size"), number("channels", 4, "Channels"),
  number("incoming_bandwidth", 4, "Incoming bandwidth"), number("outgoing_bandwidth", 4, "Outgoing bandwidth"),
  number("throttle_interval", 4, "Throttle interval (ms)"),
  number("throttle_acceleration", 4, "Throttle acceleration"),
  number("throttle_deceleration", 4, "Throttle deceleration"), number("connect_id", 4, "Connect id"),
}
local connect_data = { table.unpack(connect) }
connect_data[#connect_data + 1] = number("user_data", 4, "Data of the program")
local length = number("length", 2, "Length")
local fragment = {
  number("start_sequence", 2, "Number of the message"), length, number("fragments", 4, "Fragments"),
  number("fragment", 4, "Fragment, from 0"), number("total_length", 4, "Length of the message"),
  number("offset", 4, "Offset"),
}
local COMMANDS = {
  { "acknowledge", { number("received_sequence", 2, "Acknowledged number"),
                     number("received_sent_time", 2, "It was sent at (ms)") } },
  { "connect", connect_data },
  { "verify connect", connect },
  { "disconnect", { number("user_data", 4, "Data of the program") } },
  { "ping", {} },
  { "reliable", { length } },
  { "unreliable", { number("unreliable_sequence", 2, "Unreliable sequence number"), length } },
  { "fragment", fragment },
  { "unsequenced", { number("group", 2, "Group"), length } },
  { "bandwidth limit", { number("incoming_bandwidth", 4, "Incoming bandwidth"),
                         number("outgoing_bandwidth", 4, "Outgoing bandwidth") } },
  { "throttle", { number("throttle_interval", 4, "Throttle interval (ms)"),
                  number("throttle_acceleration", 4, "Throttle acceleration"),
                  number("throttle_deceleration", 4, "Throttle deceleration") } },
  { "unreliable fragment", fragment },
}
local OF_CONNECTION = { connect = true, ["verify connect"] = true, disconnect = true, ping = true,
                        ["bandwidth limit"] = true, throttle = true }

-- Where the command at a place ends. @return its description and its end; nil where there is none
local function measure(buffer, at)
  local kind = COMMANDS[buffer(at, 1):uint() % 16]
  if not kind or at + 4 > buffer:len() then return nil end
  local stop, data = at + 4, 0
  for _, field in ipairs(kind[2]) do
    if stop + field[2] > buffer:len() then return nil end
    if field[1] == "length" then data = buffer(stop, 2):uint() end
    stop = stop + field[2]
  end
  if stop + data > buffer:len() then return nil end
  return kind, stop + data, data
end

-- Whether commands fill the rest, as a host may have sent them.
local function makes_sense(buffer, at)
  if at >= buffer:len() then return false end
  while at < buffer:len() do
    local kind, stop = measure(buffer, at)
    if not kind then return false end
    if OF_CONNECTION[kind[1]] and buffer(at + 1, 1):uint() ~= 255 then return false end
    at = stop
  end
  return true
end

local SECURITY = { [0] = "HELLO", "RETRY", "REPLY", "DATA", "CONTROL" }
local LENGTHS = { [0] = { 256, 1200 }, { 24, 24 }, { 80, 80 }, { 31, 65507 }, { 34, 34 } }

-- A datagram of this library's encryption. @return its name, or nil
local function security_of(buffer)
  local first = buffer(0, 1):uint()
  local kind = math.floor(first / 16)
  if first % 16 ~= 15 or buffer(1, 1):uint() == 255 or not SECURITY[kind] then return nil end
  local size = LENGTHS[kind]
  return buffer:len() >= size[1] and buffer:len() <= size[2] and SECURITY[kind] or nil
end

-- Header and where commands begin. @return nil when the datagram is too short
local function header_of(buffer)
  local word = buffer(0, 2):uint()
  local header = {
    peer = word % 0x1000,
    session = math.floor(word / 0x1000) % 4,
    is_compressed = math.floor(word / 0x4000) % 2 == 1,
    has_time = word >= 0x8000,
  }
  header.bytes = header.has_time and 4 or 2
  if buffer:len() <= header.bytes then return nil end
  local has_checksum = enet.prefs.checksum == 1
  if enet.prefs.checksum == 2 and not header.is_compressed then
    has_checksum = not makes_sense(buffer, header.bytes) and buffer:len() > header.bytes + 4 and
      makes_sense(buffer, header.bytes + 4)
  end
  header.has_checksum = has_checksum and buffer:len() > header.bytes + 4
  header.commands = header.bytes + (header.has_checksum and 4 or 0)
  return header
end

local function add_command(buffer, at, tree)
  local kind, stop, data = measure(buffer, at)
  local first = buffer(at, 1):uint()
  local branch = tree:add(f.command, buffer(at, stop - at), kind[1])
  branch:add(f.acknowledge, buffer(at, 1), first >= 0x80)
  branch:add(f.unsequenced, buffer(at, 1), math.floor(first / 0x40) % 2 == 1)
  branch:add(f.channel, buffer(at + 1, 1))
  branch:add(f.sequence, buffer(at + 2, 2))
  local place = at + 4
  for _, field in ipairs(kind[2]) do
    -- ENet sends the connect id as it is in memory, which is little endian nearly everywhere.
    local add = field[1] == "connect_id" and branch.add_le or branch.add
    add(branch, f[field[1]], buffer(place, field[2]))
    place = place + field[2]
  end
  if data > 0 then branch:add(f.data, buffer(place, data)) end
  return kind[1], stop
end

function enet.dissector(buffer, packet, tree)
  if buffer:len() < 2 then return 0 end
  packet.cols.protocol = "ENet"
  local branch = tree:add(enet, buffer())
  local security = security_of(buffer)
  if security then
    branch:add(f.encryption, buffer(), security)
    packet.cols.info = "encryption: " .. security
    return buffer:len()
  end
  local header = header_of(buffer)
  if not header then return 0 end
  branch:add(f.peer, buffer(0, 2), header.peer)
  branch:add(f.session, buffer(0, 1), header.session)
  branch:add(f.compressed, buffer(0, 1), header.is_compressed)
  if header.has_time then branch:add(f.sent_time, buffer(2, 2)) end
  if header.has_checksum then branch:add(f.checksum, buffer(header.bytes, 4)) end
  if header.is_compressed then
    packet.cols.info = string.format("compressed, %d bytes", buffer:len() - header.commands)
    return buffer:len()
  end
  local at, names = header.commands, {}
  while at < buffer:len() do
    if not measure(buffer, at) then
      branch:add_proto_expert_info(damaged, "what follows is no command")
      names[#names + 1] = "damaged"
      break
    end
    names[#names + 1], at = add_command(buffer, at, branch)
  end
  packet.cols.info = (header.peer == NO_PEER and "no peer yet: " or "peer " .. header.peer .. ": ") ..
    table.concat(names, ", ")
  return buffer:len()
end

-- Takes what has ENet's form; the port is not known beforehand.
local function heuristic(buffer, packet, tree)
  if buffer:len() < 6 then return false end
  local header = header_of(buffer)
  local is_enet = security_of(buffer) or
    (header and not header.is_compressed and makes_sense(buffer, header.commands))
  -- Compressed datagrams have no form; those of a flow that was recognized before are ENet's.
  if not is_enet then return false end
  packet.conversation = enet
  enet.dissector(buffer, packet, tree)
  return true
end

enet:register_heuristic("udp", heuristic)
DissectorTable.get("udp.port"):add_for_decode_as(enet)
