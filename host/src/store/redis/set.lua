local wanted = {}
for i = 3, #ARGV, 2 do wanted[ARGV[i]] = ARGV[i + 1] end
local b, c = bytes, count
for key, value in pairs(wanted) do b, c = changed(b, c, key, length(key), #value) end
local refusal = refused(b, c)
if refusal then return refusal end
for key, value in pairs(wanted) do put(key, value) end
return done(false, b, c)
