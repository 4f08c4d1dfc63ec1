-- Converted from opensips.cfg; docs/routes.md says when each function runs.
-- A function that returns true ends the script for the message, as exit does.

-- =~ looks for a regular expression, whatever the case.
local function matches(value, ...)
  if value == nil then return false end
  local lower = string.lower(tostring(value))
  for _, pattern in ipairs({ ... }) do
    if string.find(lower, pattern) then return true end
  end
  return false
end

-- opensips.cfg:34-48: route
function request_route()
  -- opensips.cfg:35-38: no HEP, left out
  if msg.cseq_method == "INVITE" and not (msg.to_tag ~= nil) then
    trace("both", "d", "sip|xlog")
  elseif (msg.cseq_method == "REGISTER" or msg.cseq_method == "SUBSCRIBE") then
    trace("one", "t", "sip", nil, "C")
  end
  if msg.from_user == "debug" then
    -- opensips.cfg:45: the configuration has no trace `db`
    --   trace("db", "d");
  end
  -- opensips.cfg:46-47: no HEP, left out
end

-- opensips.cfg:50-53: onreply_route[log_it]
-- (there for the transactions that arm it; here for all that are seen)
function onreply_route()
  if matches(msg.status, "^5") then
    trace("both", "m")
  end
end
