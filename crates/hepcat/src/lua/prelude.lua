-- What every script finds beside Lua's own functions, as far as it can be said in Lua.

local error, type, tostring, rawget = error, type, tostring, rawget
local raw_pcall, raw_setmetatable, raw_move, pack, unpack = pcall, setmetatable, table.move, table.pack, table.unpack

-- Finalizers run where no limit can stop them.
function setmetatable(object, metatable)
  if type(metatable) == "table" and rawget(metatable, "__gc") ~= nil then
    error("finalizers (__gc) are not allowed", 2)
  end
  return raw_setmetatable(object, metatable)
end

-- One call could otherwise run for hours without executing an instruction.
function table.move(from, first, last, at, to)
  if type(first) == "number" and type(last) == "number" and last - first > 1000000 then
    error("table.move moves a million elements at most", 2)
  end
  if to == nil then return raw_move(from, first, last, at) end
  return raw_move(from, first, last, at, to)
end

-- Errors of hepcat's functions are texts for the script too.
local function with_text(ok, first, ...)
  if not ok and type(first) == "userdata" then return false, (tostring(first):gsub("\nstack traceback:.*", "")) end
  return ok, first, ...
end
function pcall(f, ...) return with_text(raw_pcall(f, ...)) end

-- Lua's own calls the handler where the error was raised, and where a limit raised it no limit is looked at.
function xpcall(f, handler, ...)
  local results = pack(pcall(f, ...))
  if results[1] then return unpack(results, 1, results.n) end
  return false, handler(results[2])
end

-- Lua 5.1, in which scripts for other collectors are written.
_G.unpack = unpack
math.pow = function(x, y) return x ^ y end
table.getn = function(list) return #list end

local function refused(name, instead)
  return function() error(name .. " is not available: " .. instead, 2) end
end
local no_code = "a route is one file, which is compiled when the configuration is checked"
load, loadstring, loadfile, dofile = nil, nil, nil, nil
loadstring = refused("loadstring", no_code)
load = refused("load", no_code)
loadfile = refused("loadfile", no_code)
dofile = refused("dofile", no_code)
require = refused("require", no_code)
string.dump = refused("string.dump", no_code)
collectgarbage = refused("collectgarbage", "memory is limited and collected by the node")
setfenv = refused("setfenv", "Lua 5.4 has no function environments")
getfenv = refused("getfenv", "Lua 5.4 has no function environments")
warn = nil
function print(...)
  local texts = table.pack(...)
  for i = 1, texts.n do texts[i] = tostring(texts[i]) end
  log("info", table.concat(texts, "\t"))
end

-- heplify-server's names, over what hepcat calls the same.
function GetHEPProtoType() return msg.protocol_type or 0 end
function GetHEPSrcIP() return msg.src_ip or "" end
function GetHEPSrcPort() return msg.src_port or 0 end
function GetHEPDstIP() return msg.dst_ip or "" end
function GetHEPDstPort() return msg.dst_port or 0 end
function GetHEPTimeSeconds() return msg.time_sec or 0 end
function GetHEPTimeUseconds() return msg.time_usec or 0 end
function GetHEPNodeID() return msg.capture_id or 0 end
function GetRawMessage() return msg.payload or "" end
function SetRawMessage(text) msg.payload = text end
function Print(text) log("info", tostring(text)) end
function Logp(level, message, data)
  if data ~= nil then message = tostring(message) .. " " .. tostring(data) end
  log(level, tostring(message))
end

local fields = {
  ProtoType = "protocol_type", SrcIP = "src_ip", SrcPort = "src_port", DstIP = "dst_ip", DstPort = "dst_port",
  Tsec = "time_sec", Tmsec = "time_usec", NodeID = "capture_id", NodeName = "node_name", NodePW = "auth_key",
  CID = "correlation_id", SID = "correlation_id", Vlan = "vlan_id", Payload = "payload",
}
function SetHEPField(field, value)
  local name = fields[field]
  if not name then error("SetHEPField: no field \"" .. tostring(field) .. "\"", 2) end
  hep_set(name, value)
end
function GetHEPStruct()
  return {
    Version = msg.version, Protocol = msg.ip_protocol or 0, SrcIP = msg.src_ip or "", DstIP = msg.dst_ip or "",
    SrcPort = msg.src_port or 0, DstPort = msg.dst_port or 0, Tsec = msg.time_sec or 0, Tmsec = msg.time_usec or 0,
    ProtoType = msg.protocol_type or 0, NodeID = msg.capture_id or 0, NodeName = msg.node_name or "",
    Payload = msg.payload or "", CID = msg.correlation_id or "", Vlan = msg.vlan_id or 0,
  }
end
function GetSIPStruct()
  if not msg.is_sip then return nil end
  return {
    FirstMethod = msg.method or "", FirstResp = msg.status and tostring(msg.status) or "",
    FirstRespText = msg.reason or "", CseqMethod = msg.cseq_method or "", CallID = msg.call_id or "",
    FromUser = msg.from_user or "", FromHost = msg.from_host or "", FromTag = msg.from_tag or "",
    ToUser = msg.to_user or "", ToHost = msg.to_host or "", ToTag = msg.to_tag or "",
    URIUser = msg.ruri_user or "", URIHost = msg.ruri_host or "", ContactUser = msg.contact_user or "",
    ContactHost = msg.contact_host or "", UserAgent = msg:header("User-Agent") or "",
    Server = msg:header("Server") or "", XCallID = msg.x_call_id or "", ViaOneBranch = msg.via_branch or "",
    ViaOne = msg:header("Via") or "", Body = msg.body or "",
  }
end
local columns = "it changes columns of heplify-server's database; edit the message with SetRawMessage or hep_set"
SetSIPHeader = refused("SetSIPHeader", columns)
SetCustomSIPHeader = refused("SetCustomSIPHeader", columns)
HashTable = refused("HashTable", "use table_set, table_get and table_del")
HashString = refused("HashString", "use hash(text, n)")
