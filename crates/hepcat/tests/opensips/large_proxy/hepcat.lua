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

-- opensips.cfg:77-182: route
function request_route()
  -- opensips.cfg:78-92: no HEP, left out
  if msg.to_tag ~= nil then
    -- opensips.cfg:96-106: no HEP, left out
    do return true end
  end
  if msg.cseq_method == "OPTIONS" and msg.ruri_user == nil then
    -- opensips.cfg:111: no HEP, left out
    do return true end
  end
  if msg.cseq_method == "CANCEL" then
    -- opensips.cfg:117-118: no HEP, left out
    do return true end
  end
  -- opensips.cfg:122-142: no HEP, left out
  if msg.cseq_method == "INVITE" then
    -- opensips.cfg:145: no HEP, left out
    -- opensips.cfg:147-148: "^Example(Phone|Pad) [0-9]" cannot be said as a pattern of Lua
    --   if ($fU =~ "^\+?49[0-9]+$" || $ua =~ "^Example(Phone|Pad) [0-9]")
    --   trace("tid", "d", "sip");
    if msg.to_user == "5000" then
      trace("tid", "d", "sip|xlog")
    end
    -- opensips.cfg:151: no HEP, left out
  end
  -- opensips.cfg:154-181: no HEP, left out
end
