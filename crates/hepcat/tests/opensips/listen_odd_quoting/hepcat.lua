-- Converted from opensips.cfg; docs/routes.md says when each function runs.
-- A function that returns true ends the script for the message, as exit does.

-- opensips.cfg:34-38: route
function request_route()
  if msg.method == "INVITE" and msg.src_ip ~= "10.0.0.7" then
    trace("tid", "d")
  end
end
