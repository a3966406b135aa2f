local b, c = bytes, count
for i = 3, #ARGV do
  b, c = changed(b, c, ARGV[i], length(ARGV[i]), false)
  put(ARGV[i], false)
end
return done(false, b, c)
