-- Converted from opensips.cfg; docs/routes.md says when each function runs.
-- A function that returns true ends the script for the message, as exit does.

-- What $du was set to, as the name of a destination.
local next_hop

local function text(value)
  if value == nil then return "<null>" else return tostring(value) end
end

-- opensips.cfg:27-37: route[relay_hep]
function hep_route()
  next_hop = nil
  if (tonumber(msg.version) or 0) < 3 then
    log("warn", "HEP version " .. text(msg.version) .. " from " .. text(hep_net("src_ip")) .. ", not relayed")
    do return true end
  end
  next_hop = "homer"
  if not hep_relay(next_hop) then
    log("error", "relaying failed")
    do return true end
  end
end
