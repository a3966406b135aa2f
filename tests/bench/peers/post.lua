-- Posts JSON: wrk -s post.lua URL -- FILE
function init(args)
  wrk.method = "POST"
  wrk.headers["content-type"] = "application/json"
  local file = assert(io.open(args[1], "rb"))
  wrk.body = file:read("*a")
  file:close()
end
