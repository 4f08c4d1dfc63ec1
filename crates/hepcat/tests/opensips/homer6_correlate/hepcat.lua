-- Converted from opensips.cfg; docs/routes.md says when each function runs.
-- A function that returns true ends the script for the message, as exit does.

-- $var(name) is var.name: it keeps its value from message to message.
local var = {}

local function text(value)
  if value == nil then return "<null>" else return tostring(value) end
end

-- opensips.cfg:12-24: route
function request_route()
  trace("tid", "t", "sip")
  var.cor1 = msg.call_id
  var.cor2 = msg:header("X-CID")
  if var.cor2 ~= nil then
    correlate("hep_dst", "correlation-no-1", var.cor1, "correlation-no-2", var.cor2)
    -- opensips.cfg:18: the two types of a correlation must differ
    --   correlate("hep_dst", "same", $var(cor1), "same", $var(cor2));
    -- opensips.cfg:19: `v2` takes HEP version 1 or 2, which carry no correlation
    --   correlate("v2", "a", $var(cor1), "b", $var(cor2));
    -- opensips.cfg:20: there is no hep_id `nowhere`
    --   correlate("nowhere", "a", $var(cor1), "b", $var(cor2));
  end
  -- opensips.cfg:22-23: no HEP, left out
end

-- opensips.cfg:26-33: failure_route[again]
-- (there for the transactions that arm it; here for all that are seen)
function failure_route()
  -- opensips.cfg:27-29: t_check_status() has no counterpart
  --   if (t_check_status("(486)|(408)")) {
  --     correlate("hep_dst", "busy", "$ci", "from", "$fU@$fd");
  --   }
  if (tonumber(msg.status) or 0) >= 500 then
    correlate("hep_dst", "failed", msg.call_id, "user", text(msg.ruri_user))
  end
end

-- opensips.cfg:35-37: branch_route[out]
-- (there for the transactions that arm it; here for all that are seen)
function branch_route()
  correlate("hep_dst", "branch", msg.call_id, "number", msg.ruri_user)
end

-- opensips.cfg:39-43: local_route
function local_route()
  if msg.cseq_method == "OPTIONS" then
    do return end
  end
  trace("tid", "m")
end

-- opensips.cfg:45-47: a node that sees copies never runs a timer_route
--   timer_route[tick, 60] {
--     trace("tid", "m");
--   }
