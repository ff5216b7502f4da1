-- wrk's requests: as many events in each as EVENTS says, with ids of their own; a pause of PAUSE ms between requests.
local events = tonumber(os.getenv("EVENTS"))
local pause = tonumber(os.getenv("PAUSE"))
local headers = {
    ["Content-Type"] = "application/json",
    ["User-Agent"] = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
}
local template = '{"event_id":"%08x-%04x-4000-8000-%012x","timestamp":"%s","user_id":"user-%05d","session_id":"session-%05d",'
    .. '"event_type":"page_view","page_url":"/products/laptop","page_category":"electronics",'
    .. '"referrer":"https://www.google.com/search","device_type":"desktop","country":"KR","duration_ms":1234}'
local sent = 0

math.randomseed(os.time())

local function event()
    sent = sent + 1
    local user = math.random(1, 20000)
    local now = os.date("!%Y-%m-%dT%H:%M:%S.000Z")
    return string.format(template, math.random(0, 0x7fffffff), math.random(0, 65535), sent, now, user, user)
end

function request()
    if events == 1 then
        return wrk.format("POST", "/ingest", headers, event())
    end
    local batch = {}
    for index = 1, events do
        batch[index] = event()
    end
    return wrk.format("POST", "/ingest", headers, "[" .. table.concat(batch, ",") .. "]")
end

if pause > 0 then
    function delay()
        return pause
    end
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format("\n{\"requests\": %d, \"seconds\": %f, \"p50\": %f, \"p99\": %f, \"failed\": %d}\n",
        summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
