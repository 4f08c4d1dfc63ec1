-- Routes for two collectors that share the calls, and one that counts what fails.
--
-- It needs destinations of these names:
--
--   [hep]
--   hep_id = ["[homer-1] 10.0.0.9", "[homer-2] 10.0.0.10", "[fraud] 10.0.0.11"]
--
--   [lua]
--   script = "routes.lua"
--
-- docs/routes.md says when each function is called. Try it: hepcat route test routes.lua capture.pcap -c hepcat.toml

local collectors = { "homer-1", "homer-2" }

-- Every message comes here first. What is SIP goes on to the functions below.
function hep_route()
  count("messages", msg.protocol_name or "other")
  if msg.is_sip then
    hep_resume_sip()
  end
  -- Reports belong to a call by their correlation id, so they follow it to its collector.
  local call = msg.correlation_id or ""
  if msg.protocol_type == 5 and call ~= "" then
    report_capture(call)
  end
  hep_relay(collectors[hash(call, #collectors)])
end

-- All messages of a call go to the same collector.
local function relay()
  hep_relay(collectors[hash(msg.call_id or "", #collectors)])
end

function request_route()
  count("requests", msg.method)
  if msg.method == "OPTIONS" and string.find(msg.user_agent or "", "friendly-scanner", 1, true) then
    drop()
    return
  end
  -- Who registers too often is worth a look, but not one message each time.
  if msg.method == "REGISTER" and not ratelimit("register", 5, 10, msg.from_user) then
    sip_capture("registrations", "too often", msg.from_user)
  end
  -- A back-to-back agent says which call it continues: tell the collector that the two belong together.
  local first_leg = msg:header("X-CID")
  if msg.method == "INVITE" and first_leg then
    correlate("homer-1", "sip", msg.call_id, "a_leg", first_leg)
  end
  -- Collectors show where a copy was taken.
  if not msg.node_name then
    hep_set("node_name", "edge", "utf8-string", 0)
  end
  relay()
end

function onreply_route()
  relay()
end

-- A call that failed, once for each branch.
function failure_route()
  count("failures", msg.status)
  if msg.cseq_method == "INVITE" and msg.status == 403 then
    hep_relay("fraud")
  end
end
