-- Converted from opensips.cfg; docs/routes.md says when each function runs.
-- A function that returns true ends the script for the message, as exit does.

-- opensips.cfg:18-20: route[HEP]
local function route_HEP()
  trace("six", "m")
end

-- opensips.cfg:14-16: route
function request_route()
  if route_HEP() then return true end
end
