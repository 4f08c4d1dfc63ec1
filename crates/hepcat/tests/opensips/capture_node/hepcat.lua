-- Converted from opensips.cfg; docs/routes.md says when each function runs.
-- A function that returns true ends the script for the message, as exit does.

-- $var(name) is var.name: it keeps its value from message to message.
local var = {}

local function text(value)
  if value == nil then return "<null>" else return tostring(value) end
end

-- =~ looks for a regular expression, whatever the case.
local function matches(value, ...)
  if value == nil then return false end
  local lower = string.lower(tostring(value))
  for _, pattern in ipairs({ ... }) do
    if string.find(lower, pattern) then return true end
  end
  return false
end

-- opensips.cfg:26-45: route[my_hep_route]
function hep_route()
  var.type = hep_get("proto_type")
  if var.type == nil then
    do return true end
  end
  if var.type == "SIP" then
    hep_resume_sip()
  end
  var.correlation_id = hep_get("0x0011", "utf8-string")
  if var.correlation_id == nil then
    log("error", "no correlation id, dropped")
    drop()
    do return true end
  end
  if var.type == "RTCP" then
    report_capture(var.correlation_id, "rtcp_capture")
  else
    report_capture(var.correlation_id, nil, 100)
  end
  do return true end
end

-- opensips.cfg:47-57: route
function request_route()
  if msg.cseq_method == "OPTIONS" then
    drop()
    do return true end
  elseif msg.cseq_method == "REGISTER" then
    sip_capture("registrations", msg:header("User-Agent"))
  elseif matches(msg.user_agent, "friendly%-scanner", "sipvicious") then
    sip_capture("attacks", msg.src_ip, "from " .. text(msg.src_ip) .. ":" .. text(msg.src_port))
  else
    sip_capture()
  end
  do return true end
end

-- opensips.cfg:59-63: onreply_route
function onreply_route()
  if msg.status == 401 or msg.status == 407 then
    drop()
    do return true end
  end
  -- opensips.cfg:62: async() has no counterpart
  --   async(sip_capture("replies"), stored);
end
