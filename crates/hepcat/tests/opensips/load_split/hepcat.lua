-- Converted from opensips.cfg; docs/routes.md says when each function runs.
-- A function that returns true ends the script for the message, as exit does.

-- $var(name) is var.name: it keeps its value from message to message.
local var = {}
-- What $du was set to, as the name of a destination.
local next_hop

-- opensips.cfg:46-50: route[even]
local function route_even()
  next_hop = "udp_2001-db8--12_9061"
  var.count = ((tonumber(var.count) or 0) + 1)
  do return end
end

-- opensips.cfg:14-44: route[split]
function hep_route()
  next_hop = nil
  var.agent, var.vid = hep_get("0x000c", "uint32")
  var.agent = hep_get("captagent_id", "uint32")
  hep_set("31", "132", "uint32", "3")
  hep_set("0x0011", "split", "utf8-string", "0")
  hep_del("25")
  if hep_net("src_ip") == "10.1.2.3" then
    next_hop = "first"
  elseif (tonumber(var.agent) or 0) >= 100 and (tonumber(var.agent) or 0) < 200 then
    next_hop = "tcp_10.1.0.12_9060"
  elseif ((tonumber(var.agent) or 0) % 2) == 0 then
    if route_even() then return true end
  else
    -- opensips.cfg:29: ds_select_dst() has no counterpart
    --   ds_select_dst(1, 4);
  end
  if hep_relay(next_hop) then
    do return true end
  end
  -- opensips.cfg:33: the next hop is not written out: choose a destination by name, and hep_relay(name)
  --   $du = "sip:" + $var(spare) + ":9060";
  -- opensips.cfg:34-38: loops, switches and asynchronous calls are not translated
  --   switch ($HEPVERSION) {
  --     case 3:
  --       hep_relay();
  --       break;
  --   }
  -- opensips.cfg:39-41: loops, switches and asynchronous calls are not translated
  --   while ($var(i) < 3) {
  --     $var(i) = $var(i) + 1;
  --   }
  -- opensips.cfg:42: $avp(x) cannot be set here
  --   $avp(x) = 1;
  do return end
end
