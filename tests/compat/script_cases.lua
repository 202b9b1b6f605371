-- Scripts that ask every corner of the interpreter, for test_script.py, which runs each by itself on both servers and in both
-- protocols. What depends on the machine (addresses, times) is not asked; nor what ends redis-server 7.0: an error whose table has no
-- `err`. Cases stand between lines of dashes; a first line may say keys or arguments: `-- keys: a b`, `-- args: 1 2`.
----
return 1
----
return 2.99
----
return -2.99
----
return 1e15
----
return 9007199254740993
----
return 1e300
----
return -1e300
----
return 0/0
----
return 1/0
----
return 'a string'
----
return 'bin\0ary\r\n\255'
----
return ''
----
return nil
----
return
----
return true
----
return false
----
return {}
----
return {1, 2, 3}
----
return {1, nil, 3}
----
return {nil, 1}
----
return {1, {2, {3, {4, {}}}}, 'x', true, false}
----
return {['a'] = 1}
----
return {1, 2, x = 3}
----
return {[1] = 'a', [3] = 'c'}
----
return print
----
return function() end
----
return coroutine.create(function() end)
----
return {function() end, 1}
----
return {ok = 'fine'}
----
return {ok = 'two\r\nlines'}
----
return {ok = 'nul\0here'}
----
return {ok = 5}
----
return {ok = ''}
----
return {err = 'ERR bad'}
----
return {err = 'bad'}
----
return {err = '-bad'}
----
return {err = ''}
----
return {err = 'a\r\nb'}
----
return {err = '\r\n\r\na\r\n'}
----
return {err = 'nul\0here'}
----
return {err = 5}
----
return {err = 5, ok = 'x'}
----
return {err = 'x', ok = 'y'}
----
return {1, {err = 'inside'}, {ok = 'too'}}
----
return {double = 3.25}
----
return {double = 1/0}
----
return {double = -1/0}
----
return {double = 0.1}
----
return {double = 1e100}
----
return {double = 'x'}
----
return {double = 3}
----
return {big_number = '123456789012345678901234567890'}
----
return {big_number = '12\r\n34'}
----
return {big_number = 12}
----
return {verbatim_string = {format = 'txt', string = 'hello'}}
----
return {verbatim_string = {format = 'markdown', string = 'hello'}}
----
return {verbatim_string = {format = 'a', string = ''}}
----
return {verbatim_string = {format = 'txt'}}
----
return {verbatim_string = {string = 'x'}}
----
return {verbatim_string = {}}
----
return {verbatim_string = {format = 'txt'}, map = {a = 1}}
----
return {verbatim_string = {}, set = {a = true}}
----
return {verbatim_string = 'x', 1}
----
return {map = {a = 1}}
----
return {map = {}}
----
return {map = {a = {map = {b = {1, 2}}}}}
----
return {map = 'x'}
----
return {set = {a = true}}
----
return {set = {}}
----
return {set = {[5] = false}}
----
return {map = {a = 1}, set = {b = 1}}
----
redis.setresp(3) return true
----
redis.setresp(3) return false
----
redis.setresp(3) return {true, false, nil, 1}
----
redis.setresp(2) return {true, false}
----
return redis.setresp(4)
----
return redis.setresp()
----
return redis.setresp('3')
----
return redis.setresp('x')
----
return redis.setresp(3, 3)
----
return redis.setresp({})
----
return redis.setresp(2.9)
----
local t = setmetatable({}, {__index = function() return 'virtual' end}) return t
----
local t = setmetatable({}, {__index = {ok = 'virtual'}}) return t
----
local t = setmetatable({1}, {__index = {ignore_error_stats_update = true}, __tostring = function() return 'me' end}) return tostring(t)
----
local t = {} for i = 1, 300 do t[i] = i end return t
----
local t = {} local u = t for i = 1, 150 do u[1] = {} u = u[1] end u[1] = 'deep' return t
----
local t = {} local u = t for i = 1, 9000 do u[1] = {} u = u[1] end return t
----
local t = {1} t[1] = nil t[2] = 2 return #t
----
return #KEYS
----
-- keys: a b c
return {#KEYS, KEYS[1], KEYS[2], KEYS[3], KEYS[4]}
----
-- keys: a
-- args: x y z
return {KEYS[1], ARGV[1], ARGV[2], ARGV[3], #ARGV}
----
-- args: 1 2 3 4 5
ARGV[2] = nil return {#ARGV, ARGV[5]}
----
-- args: 1 2 3
ARGV[2] = nil return #ARGV
----
-- args: 1 2 3 4 5 6 7
ARGV[7] = nil ARGV[6] = nil ARGV[3] = nil return #ARGV
----
table.insert(KEYS, 'x') return KEYS
----
KEYS = 5 return 1
----
ARGV = {} return 1
----
x = 5
----
return x
----
return _G.x
----
return rawget(_G, 'x')
----
rawset(_G, 'x', 1)
----
_G.x = 1
----
function f() end
----
local function f() return 1 end return f()
----
setmetatable(_G, {})
----
setmetatable(_G, nil)
----
getmetatable(_G).__index = nil
----
getmetatable('').__index = nil
----
getmetatable('').x = 1
----
return getmetatable('').__index == string
----
return type(getmetatable(_G).__index)
----
getmetatable(_G).__index()
----
getmetatable(_G).__index(_G, {})
----
getmetatable(_G).__index(_G, 5)
----
redis.call = nil
----
redis.x = 1
----
math.pi = 3
----
table.insert(_G, 1)
----
table.insert(redis, 1)
----
table.sort(_G)
----
return tostring(redis.call):sub(1, 8)
----
print('x')
----
dofile('x')
----
loadfile('x')
----
require('x')
----
return os.clock()
----
return io.open('x')
----
return debug.traceback()
----
return package.path
----
return newproxy(true)
----
return getfenv(0)
----
setfenv(1, {})
----
return type(loadstring)
----
return loadstring('return 1 + 1')()
----
return loadstring('return KEYS[1]')()
----
return loadstring('x = 1')()
----
return loadstring('syntax error')
----
return {loadstring('syntax error')}
----
return {loadstring('x y z')}
----
return load(function() return nil end)
----
return {pcall(loadstring, '\27Lua')}
----
return loadstring(string.dump(function() return 1 end))
----
return {pcall(string.dump, print)}
----
return _VERSION
----
return redis.REDIS_VERSION
----
return redis.REDIS_VERSION_NUM
----
return {redis.LOG_DEBUG, redis.LOG_VERBOSE, redis.LOG_NOTICE, redis.LOG_WARNING}
----
return {redis.REPL_NONE, redis.REPL_AOF, redis.REPL_SLAVE, redis.REPL_REPLICA, redis.REPL_ALL}
----
return redis.nosuch
----
redis.nosuch()
----
return redis.sha1hex('')
----
return redis.sha1hex('hello')
----
return redis.sha1hex()
----
return redis.sha1hex(1, 2)
----
return redis.sha1hex({})
----
return redis.sha1hex(nil)
----
return redis.sha1hex(123)
----
return redis.sha1hex(0.1)
----
return redis.sha1hex(string.rep('x', 100000))
----
return redis.error_reply('x')
----
return redis.error_reply('ERR x')
----
return redis.error_reply('-x')
----
return redis.error_reply('-x y')
----
return redis.error_reply('-')
----
return redis.error_reply('')
----
return redis.error_reply(' x')
----
return redis.error_reply('a  b')
----
return redis.error_reply('My Err\r\n')
----
return redis.error_reply('CODE \r\nx\r\ny\r\n')
----
return redis.error_reply('nul\0here too')
----
return redis.error_reply(5)
----
return redis.error_reply()
----
return redis.error_reply('a', 'b')
----
return redis.error_reply({})
----
return redis.error_reply('x').err
----
return redis.status_reply('fine')
----
return redis.status_reply('')
----
return redis.status_reply(5)
----
return redis.status_reply()
----
return redis.status_reply('a', 'b')
----
return redis.status_reply('two\r\nlines')
----
return redis.status_reply('x').ok
----
redis.log()
----
redis.log(1)
----
redis.log('x', 'y')
----
redis.log(9, 'y')
----
redis.log(-1, 'y')
----
return redis.log(redis.LOG_DEBUG, 'y')
----
return redis.log('1', 'y', {}, nil, 5)
----
return redis.log(redis.LOG_WARNING, 'a', 'b', 5, {})
----
return redis.replicate_commands()
----
return redis.breakpoint()
----
return redis.debug('x', 1, {})
----
redis.set_repl()
----
redis.set_repl(1, 2)
----
redis.set_repl(99)
----
redis.set_repl(-1)
----
return redis.set_repl(redis.REPL_ALL)
----
return redis.set_repl('x')
----
return redis.acl_check_cmd('get', 'a')
----
return redis.acl_check_cmd('GET')
----
return redis.acl_check_cmd('nosuch')
----
return redis.acl_check_cmd()
----
return redis.acl_check_cmd({})
----
return redis.acl_check_cmd('config', 'nosuch')
----
return redis.acl_check_cmd('config', 'get', 'x')
----
return redis.call()
----
return redis.pcall()
----
return redis.call('nosuch')
----
return redis.pcall('nosuch')
----
return redis.pcall('nosuch').err
----
local e = redis.pcall('nosuch') local n = 0 for k, v in pairs(e) do n = n + 1 end return {n, tostring(e.ignore_error_stats_update)}
----
return redis.call('get')
----
return redis.call('set', 'k', 'v', 'x', 'y')
----
return redis.pcall('set', 'k', 'v', 'x', 'y')
----
return redis.call('config')
----
return redis.call('config', 'nosuch')
----
return redis.call('config', 'get', 'maxmemory')
----
return redis.call('multi')
----
return redis.pcall('multi')
----
return redis.call('eval', 'return 1', 0)
----
return redis.call('script', 'load', 'return 1')
----
return redis.call('script', 'help')[1]
----
return redis.call('subscribe', 'x')
----
return redis.call('watch', 'x')
----
return redis.call('auth', 'x')
----
return redis.call('hello', 3)
----
return redis.call('wait', 0, 0)
----
return redis.call('blpop', 'x', 0)
----
return redis.call('blmpop', 0, 1, 'x', 'left')
----
return redis.call('shutdown')
----
return redis.call('monitor')
----
return redis.call('client', 'id')
----
return redis.call('keys')
----
return redis.call({})
----
return redis.pcall({})
----
return redis.pcall('get', nil)
----
return redis.call('get', true)
----
return redis.call('get', {})
----
return redis.call('echo', 1)
----
return redis.call('echo', 1.5)
----
return redis.call('echo', 0.1)
----
return redis.call('echo', 1e15)
----
return redis.call('echo', 1e16)
----
return redis.call('echo', 1e17)
----
return redis.call('echo', 123456789012345678)
----
return redis.call('echo', -0)
----
return redis.call('echo', -1/(1/0))
----
return redis.call('echo', 1/0)
----
return redis.call('echo', -1/0)
----
return redis.call('echo', 2^53)
----
return redis.call('echo', 2^63)
----
return redis.call('echo', 1e-7)
----
return redis.call('echo', 3.0)
----
return redis.call('echo', '')
----
return redis.call('echo', 'bin\0\r\n')
----
return redis.call('ECHO', 'x')
----
return redis.call('ping')
----
return redis.call('ping', 'x')
----
return redis.call('ping').ok
----
return redis.call('PING')['ok']
----
return type(redis.call('get', 'nosuch'))
----
return redis.call('get', 'nosuch')
----
return redis.call('get', 'nosuch') == false
----
redis.setresp(3) return redis.call('get', 'nosuch') == nil
----
redis.setresp(3) return redis.call('get', 'nosuch')
----
redis.call('set', 'str', 'v') return redis.call('get', 'str')
----
redis.call('set', 'str', 'v') return redis.call('lpush', 'str', 'x')
----
redis.call('set', 'str', 'v') return redis.pcall('lpush', 'str', 'x')
----
redis.call('set', 'str', 'v') local ok, e = pcall(redis.call, 'lpush', 'str', 'x') return {tostring(ok), type(e), e}
----
redis.call('set', 'str', 'v') local ok, e = pcall(function() redis.call('lpush', 'str', 'x') end) return {tostring(ok), type(e), e}
----
redis.call('set', 'str', 'v') local ok, e = xpcall(function() redis.call('lpush', 'str', 'x') end, function(e) return e.err end) return {tostring(ok), e}
----
redis.call('set', 'str', 'v') local co = coroutine.create(function() redis.call('lpush', 'str', 'x') end) local ok, e = coroutine.resume(co) return {tostring(ok), type(e), e.err}
----
local ok, e = pcall(function() return redis.call('nosuch') end) error(e)
----
local ok, e = pcall(function() error({err = 'mine'}) end) return e
----
local ok, e = pcall(function() error({x = 'mine'}) end) return type(e)
----
local ok, e = pcall(error) return {tostring(ok), tostring(e)}
----
return {pcall(function() return 1, 2, 3 end)}
----
return pcall(function() return 1, 2, 3 end)
----
return {pcall(function(...) return select('#', ...) end, 1, nil, nil)}
----
return {pcall(nil)}
----
return {pcall(5)}
----
local a, b = pcall() return {tostring(a), tostring(b)}
----
error('plain')
----
error('plain', 0)
----
error('level two', 2)
----
error()
----
error(nil)
----
error(5)
----
error(5.5)
----
error(true)
----
error({err = 'mine'})
----
error({err = 'mine', source = 'x', line = 5})
----
error({err = 5})
----
error(redis)
----
error(_G)
----
error(print_nothing)
----
error('a\r\nb')
----
error('nul\0here')
----
error(redis.error_reply('MY own'))
----
error(redis.pcall('nosuch'))
----
error('a', 1)


error('b')
----

error('third line')
----
local function f() error('in f') end
f()
----
local function f() redis.call('nosuch') end
f()
----
string.rep()
----
('x'):rep({})
----
('x'):nosuch()
----
local t = nil t.x = 1
----
local t = nil return t.x
----
return nil .. 'x'
----
return 1 + {}
----
return {} < {}
----
return 1 < 'x'
----
return #5
----
assert(false)
----
assert(false, 'said')
----
assert(nil, {err = 'table'})
----
return assert(1, 2)
----
return unpack({1, 2, 3})
----
return {unpack({1, 2, 3}, 2)}
----
return {unpack({1, 2, 3}, -1, 1)}
----
unpack({}, 1, 1e6)
----
unpack({}, 1, 1e8)
----
unpack({}, 0, 2147483647)
----
unpack({}, -2147483648, 2147483647)
----
return select('#', unpack({}, 1, 7000))
----
return redis.call('rpush', 'l', unpack({1, 2, 3}))
----
local t = {} for i = 1, 7000 do t[i] = i end return redis.call('rpush', 'l', unpack(t))
----
local t = {} for i = 1, 7900 do t[i] = i end return redis.call('rpush', 'l', unpack(t))
----
local t = {} for i = 1, 9000 do t[i] = i end return redis.call('rpush', 'l', unpack(t))
----
local function f() return f() end local function g() return 1 + g() end return g()
----
local function g(n) if n == 0 then return 0 end return 1 + g(n - 1) end return g(15000)
----
local s = 'x' for i = 1, 20 do s = s .. s end return #s
----
return string.rep('x', 1000)
----
return string.rep('x', -1)
----
return ('%d %s %5.2f %x %q'):format(5, 'a', 1.234, 255, 'q"q')
----
return ('%d'):format('x')
----
return ('%s'):format()
----
return ('%y'):format(1)
----
return string.format('%99.99f', 1e10)
----
return string.format('%100d', 1)
----
return ('hello world'):find('o w')
----
return {('hello world'):find('(o)( w)')}
----
return {('hello'):gsub('l', 'L')}
----
return {('hello'):gsub('(l)(l)', '%2-%1-%0')}
----
return {('hello'):gsub('l', {l = 'x'})}
----
return {('abc'):byte(1, -1)}
----
return string.char(0, 255, 10)
----
return string.char(256)
----
return ('x'):match('(')
----
return ('x'):match('%')
----
return ('x'):match('[')
----
local t = {} for w in ('one two three'):gmatch('%a+') do t[#t + 1] = w end return t
----
return ('a,b'):gfind(',')
----
return string.len('a\0b')
----
return tostring(1e15)
----
return tostring(1e14)
----
return tostring(0.1)
----
return tostring(-0)
----
return tostring(1/0)
----
return tostring(nil)
----
return {tostring(tonumber('0x10')), tostring(tonumber('1e1')), tostring(tonumber('z', 36)), tostring(tonumber('8', 8)), tostring(tonumber(''))}
----
return tonumber('10', 99)
----
return table.concat({1, 2, 'x'}, ',')
----
return table.concat({1, {}, 3})
----
return table.concat({1, 2, 3}, ',', 2, 5)
----
local t = {5, 2, 8} table.sort(t) return t
----
local t = {5, 2, 8} table.sort(t, function(a, b) return a > b end) return t
----
local t = {5, 'x', 8} table.sort(t)
----
local t = {3, 1, 2, 5, 4, 9, 8, 7} table.sort(t, function() return true end) return 1
----
return table.getn({1, 2, 3})
----
return table.maxn({1, 2, [10] = 3})
----
table.setn({}, 1)
----
return table.foreachi({1, 2}, function(i, v) return v end)
----
local t = {1, 2, 3} table.insert(t, 2, 'x') table.remove(t, 1) return t
----
table.insert({}, 1, 2, 3)
----
return math.floor(2.5) + math.ceil(2.5) + math.abs(-3) + math.max(1, 2) + math.min(1, 2) + math.fmod(7, 3)
----
return tostring(math.pi)
----
return math.huge
----
return {math.frexp(8)}
----
math.randomseed(5) return {math.random(100), math.random(100), math.random(10, 20), tostring(math.random())}
----
math.randomseed(-1) return {math.random(1000000), math.random(-5, 5)}
----
math.randomseed(0) return {math.random(1), math.random(-2147483648, 2147483647)}
----
math.random(0)
----
math.random(5, 1)
----
math.random(1, 2, 3)
----
math.random('x')
----
math.randomseed()
----
math.randomseed('x')
----
return math.mod(5, 3)
----
collectgarbage() return 1
----
return type(collectgarbage('count'))
----
return collectgarbage('step')
----
collectgarbage('nosuch')
----
return type(gcinfo())
----
local t = {} for k, v in pairs({a = 1, b = 2, c = 3}) do t[#t + 1] = k .. v end table.sort(t) return t
----
local t = {} for i, v in ipairs({1, 2, nil, 4}) do t[#t + 1] = v end return t
----
return next({})
----
return {next({5})}
----
next({}, 'x')
----
return rawequal('a', 'a')
----
return type(nil)
----
return type()
----
return select(-1, 1, 2, 3)
----
return select(0)
----
local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end) return {co(1), co(10)}
----
local co = coroutine.wrap(function() error('inside') end) co()
----
coroutine.yield(1)
----
return coroutine.running() == nil
----
local co = coroutine.create(function() return redis.call('ping').ok end) return {coroutine.resume(co)}
----
local co = coroutine.wrap(function() return redis.pcall('nosuch') end) return co()
----
return coroutine.status(coroutine.create(function() end))
----
return cjson.encode({1, 2, 3})
----
return cjson.encode({a = 1})
----
return cjson.encode({})
----
return cjson.encode({1, nil, 3})
----
return cjson.encode({[5] = 1})
----
return cjson.encode({[1] = 1, [20] = 2})
----
return cjson.encode({1, x = 2})
----
return cjson.encode('a"b\\c/d\n\t\0\127\200')
----
return cjson.encode(nil)
----
return cjson.encode(cjson.null)
----
return cjson.encode(1.5)
----
return cjson.encode(1e100)
----
return cjson.encode(0.1)
----
return cjson.encode(123456789012345)
----
return cjson.encode(1234567890123456)
----
return cjson.encode(1/0)
----
return cjson.encode(0/0)
----
return cjson.encode(print_me)
----
return cjson.encode(cjson.encode)
----
return cjson.encode({[{}] = 1})
----
return cjson.encode({[true] = 1})
----
return cjson.encode(true)
----
return cjson.encode()
----
return cjson.encode(1, 2)
----
local t = {} t[1] = t return cjson.encode(t)
----
local t = {} local u = t for i = 1, 999 do u[1] = {} u = u[1] end return #cjson.encode(t)
----
local t = {} local u = t for i = 1, 1000 do u[1] = {} u = u[1] end return #cjson.encode(t)
----
return cjson.decode('[1,2,{"a":null,"b":[true,false]}]')
----
return cjson.decode('{"a":1}').a
----
return cjson.decode('{"a":null}').a == cjson.null
----
return tostring(cjson.null)
----
return tostring(cjson.decode('1.5'))
----
return cjson.decode('"\\u0041\\u00e9\\ud83d\\ude00"')
----
return cjson.decode('"\\ud83d"')
----
return cjson.decode('')
----
return cjson.decode('nosuch')
----
return cjson.decode('[1,]')
----
return cjson.decode('{"a"}')
----
return cjson.decode('[1')
----
return cjson.decode('nan')
----
return cjson.decode('infinity')
----
return cjson.decode('0x10')
----
return cjson.decode('1e5')
----
return cjson.decode('-')
----
return cjson.decode('1 2')
----
return cjson.decode('"a\nb"')
----
return cjson.decode('"abc')
----
return cjson.decode({})
----
return cjson.decode()
----
return cjson.decode('{"a":1}', 2)
----
return cjson.decode('\0{"a":1}')
----
return #cjson.decode(string.rep('[', 1000) .. string.rep(']', 1000))
----
return #cjson.decode(string.rep('[', 1001) .. string.rep(']', 1001))
----
return cjson.decode(string.rep('{"a":', 2000) .. '1' .. string.rep('}', 2000))
----
return {cjson.encode_max_depth(), cjson.decode_max_depth(), cjson.encode_number_precision(), tostring(cjson.encode_keep_buffer())}
----
return {cjson.encode_sparse_array()}
----
return {cjson.encode_invalid_numbers(), cjson.decode_invalid_numbers()}
----
cjson.encode_max_depth(0)
----
cjson.encode_max_depth('x')
----
cjson.encode_max_depth(5) local t = {{{{{{}}}}}} local ok, e = pcall(cjson.encode, t) cjson.encode_max_depth(1000) return {tostring(ok), e}
----
cjson.decode_max_depth(2) local ok, e = pcall(cjson.decode, '[[[1]]]') cjson.decode_max_depth(1000) return {tostring(ok), e}
----
cjson.encode_number_precision(3) local s = cjson.encode(0.123456) cjson.encode_number_precision(14) return s
----
cjson.encode_number_precision(99)
----
cjson.encode_sparse_array(true, 2, 3) local s = cjson.encode({[1] = 1, [20] = 2}) cjson.encode_sparse_array(false, 2, 10) return s
----
cjson.encode_invalid_numbers(true) local s = cjson.encode(1/0) cjson.encode_invalid_numbers(false) return s
----
cjson.encode_invalid_numbers('null') local s = cjson.encode(0/0) cjson.encode_invalid_numbers(false) return s
----
cjson.decode_invalid_numbers(false) local ok, e = pcall(cjson.decode, 'nan') cjson.decode_invalid_numbers(true) return {tostring(ok), e}
----
cjson.encode_keep_buffer(false) local s = cjson.encode({1}) cjson.encode_keep_buffer(true) return s
----
cjson.encode_keep_buffer('x')
----
return cjson.new ~= nil
----
local c = cjson.new() return c.encode({1})
----
return {cjson._NAME, cjson._VERSION}
----
cjson.x = 1
----
return cmsgpack.pack(1)
----
return cmsgpack.pack(-1, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, -32, -33, -128, -129, -32769, -2147483649)
----
return cmsgpack.pack(1.5, 1e300, 0.1, 1/0)
----
return cmsgpack.pack('', 'x', string.rep('y', 31), string.rep('y', 32), string.rep('z', 256))
----
return cmsgpack.pack({1, 2, 3}, {}, {a = 1}, true, false, nil)
----
return cmsgpack.pack()
----
return cmsgpack.pack(redis.call)
----
local t = {} t[1] = t return cmsgpack.pack(t)
----
local t = {} local u = t for i = 1, 20 do u[1] = {} u = u[1] end return cmsgpack.pack(t)
----
return {cmsgpack.unpack(cmsgpack.pack(1, 'x', {1, 2, {3}}, true, -5))}
----
return cmsgpack.unpack(cmsgpack.pack({a = 1})).a
----
return tostring(cmsgpack.unpack(cmsgpack.pack(1.5)))
----
return cmsgpack.unpack('')
----
return cmsgpack.unpack('\193')
----
return cmsgpack.unpack('\147\1\2')
----
return cmsgpack.unpack('\219\255\255\255\255')
----
return cmsgpack.unpack('\221\255\255\255\255')
----
return cmsgpack.unpack({})
----
return cmsgpack.unpack(string.rep('\145', 100000))
----
return {cmsgpack.unpack_one(cmsgpack.pack(1, 2, 3))}
----
return {cmsgpack.unpack_one(cmsgpack.pack(1, 2, 3), 1)}
----
return {cmsgpack.unpack_one(cmsgpack.pack(1, 2, 3), 9)}
----
return {cmsgpack.unpack_one(cmsgpack.pack(1, 2, 3), -1)}
----
return {cmsgpack.unpack_limit(cmsgpack.pack(1, 2, 3), 2)}
----
return {cmsgpack.unpack_limit(cmsgpack.pack(1, 2, 3), 2, 1)}
----
return {cmsgpack.unpack_limit(cmsgpack.pack(1, 2, 3), -1)}
----
return struct.pack('>I4', 1)
----
return struct.pack('<i2Bhs', 1, 2, 3, 'x')
----
return struct.pack('bBhHlLfdsc3', 1, 2, 3, 4, 5, 6, 1.5, 2.5, 'str', 'abc')
----
return {struct.unpack('>I4', '\0\0\1\0')}
----
return {struct.unpack('>I4', '\0\0')}
----
return {struct.unpack('<I2I2', '\1\0\2\0', 3)}
----
return {struct.unpack('s', 'abc\0def')}
----
return {struct.unpack('s', 'abc')}
----
return {struct.unpack('Bc0', '\3abcdef')}
----
return {struct.unpack('c0', 'x')}
----
return {struct.unpack('>!8xI8', string.rep('\1', 16))}
----
return struct.size('>I4I2')
----
return struct.size('!8bI8')
----
return struct.size('s')
----
struct.pack('y', 1)
----
struct.pack('I99', 1)
----
struct.pack('I3', 1)
----
struct.pack('I2147483648', 1)
----
struct.unpack('I4', 'xxxx', 100)
----
struct.unpack('I4', 'xxxx', 0)
----
struct.unpack('I4', 'xxxx', -5)
----
struct.unpack('c2147483647', 'x')
----
struct.unpack('>I2c0', '\255\255x')
----
return bit.tobit(0xffffffff)
----
return {bit.band(12, 10), bit.bor(12, 10), bit.bxor(12, 10), bit.bnot(0)}
----
return {bit.lshift(1, 31), bit.rshift(-1, 28), bit.arshift(-1, 28), bit.rol(0x12345678, 8), bit.ror(0x12345678, 8), bit.bswap(0x12345678)}
----
return {bit.tohex(255), bit.tohex(255, 4), bit.tohex(-1, -8), bit.tohex(255, 99)}
----
return bit.tohex(65535, -2147483648)
----
return bit.band('x')
----
return bit.band()
----
return bit.band(1.7, 2^40)
----
return __redis__err__handler('x').err
----
return __redis__err__handler({err = 'x'}).line
----
return __redis__err__handler('x').source
----
__redis__err__handler = nil
----
#!lua
return 1
----
#!lua flags=no-writes
return redis.call('get', 'a')
----
#!lua flags=no-writes
return redis.call('set', 'a', 1)
----
#!lua flags=no-writes
return redis.pcall('set', 'a', 1)
----
#!lua flags=no-writes
return redis.call('publish', 'a', 1)
----
#!lua flags=no-writes
return redis.call('pfcount', 'a')
----
#!lua flags=allow-oom,allow-stale,no-cluster,allow-cross-slot-keys
return redis.call('set', 'a', 1)
----
#!lua flags=
return 2
----
#!lua flags=,
return 2
----
#!lua flags=no-writes,
return 2
----
#!lua flags=nosuch
return 2
----
#!lua flags=no-writes flags=allow-oom
return 2
----
#!lua nosuch
return 2
----
#!lua nosuch=1 flags=no-writes
return 2
----
#!lua name=x
return 2
----
#!python
return 2
----
#!
return 2
----
#! lua
return 2
----
#!lua  flags=no-writes  
return redis.call('get', 'a')
----
#!lua "flags=no-writes"
return 2
----
#!lua "flags=no-writes
return 2
----
#!lua
error('line two')
----
#!lua
syntax error
----
#!lua flags=no-writes
----
#!LUA
return 2
----
syntax error
----
return return
----
return 'unfinished
----
return [[unfinished
----
return 1 2
----
for i = 1 do end
----
goto x
----
return 0x
----
return 1e
----
local x <const> = 5
----
return 5 // 2
----
return 5 & 2
----
return '\999'
----
--[[ unfinished comment
----
-- only a comment
----
break
----
return ...
----
local a = {...} return #a
----
return {redis.call('time')[1] == redis.call('time')[1]}
----
redis.call('select', 5) redis.call('set', 'five', 1) return redis.call('dbsize')
----
redis.call('select', 99)
----
redis.call('select', 'x')
----
return redis.call('dbsize')
----
redis.call('del', 'h') redis.call('hset', 'h', 'a', 1, 'b', 2) return redis.call('hgetall', 'h')
----
redis.setresp(3) redis.call('del', 'h') redis.call('hset', 'h', 'a', 1) return redis.call('hgetall', 'h')
----
redis.setresp(3) redis.call('del', 'h') redis.call('hset', 'h', 'a', 1) return redis.call('hgetall', 'h').map.a
----
redis.setresp(3) redis.call('del', 's') redis.call('sadd', 's', 'a') return redis.call('smembers', 's')
----
redis.setresp(3) redis.call('del', 's') redis.call('sadd', 's', 'a') return tostring(redis.call('smembers', 's').set.a)
----
redis.setresp(3) redis.call('del', 'z') redis.call('zadd', 'z', 1.5, 'a') return redis.call('zscore', 'z', 'a')
----
redis.setresp(3) redis.call('del', 'z') redis.call('zadd', 'z', 1.5, 'a') return tostring(redis.call('zscore', 'z', 'a').double)
----
redis.setresp(3) redis.call('del', 'z') redis.call('zadd', 'z', 1.5, 'a', '+inf', 'b') return redis.call('zrange', 'z', 0, -1, 'withscores')
----
redis.call('del', 'z') redis.call('zadd', 'z', 1.5, 'a') return redis.call('zrange', 'z', 0, -1, 'withscores')
----
redis.setresp(3) redis.call('mset', 'm1', 1, 'm3', 3) local t = redis.call('mget', 'm1', 'nosuch', 'm3') return {#t, t[1], t[3], t[2] == nil}
----
redis.setresp(3) redis.call('mset', 'm1', 1, 'm3', 3) return redis.call('mget', 'm1', 'nosuch', 'm3')
----
redis.setresp(3) return #redis.call('mget', 'nosuch', 'm1', 'nosuch', 'nosuch', 'm3', 'nosuch')
----
redis.setresp(3) return #redis.call('mget', 'nosuch', 'nosuch', 'nosuch')
----
local t = redis.call('mget', 'm1', 'nosuch', 'm3') return {#t, t[2] == false}
----
local t = redis.call('mget', 'a', 'b', 'c') t[2] = nil t[3] = nil return #t
----
local t = redis.call('mget', 'a', 'b', 'c', 'd', 'e') t[4] = nil t[5] = nil return #t
----
local t = redis.call('mget', 'a', 'b', 'c') t[2] = nil return #t
----
redis.setresp(3) return redis.call('lolwut').verbatim_string.format
----
redis.setresp(3) return type(redis.call('info', 'cluster').verbatim_string.string)
----
return type(redis.call('info', 'cluster'))
----
redis.setresp(3) return redis.call('config', 'get', 'maxmemory').map.maxmemory
----
redis.setresp(3) return redis.pcall('nosuch')
----
redis.setresp(3) redis.call('nosuch')
----
return redis.call('incr', 'counter')
----
redis.call('set', 'big', '9223372036854775807') return redis.pcall('incr', 'big')
----
redis.call('set', 'big', '9007199254740993') return redis.call('incrby', 'big', 0)
----
redis.call('del', 'l') for i = 1, 500 do redis.call('rpush', 'l', i) end return redis.call('lrange', 'l', 0, -1)
----
redis.call('del', 'l') redis.call('rpush', 'l', 1, 2, 3) return redis.call('lrange', 'l', 0, 1)
----
redis.call('set', 'e', 1, 'px', 1) local n = 0 for i = 1, 300000 do n = n + i end return redis.call('get', 'e')
----
redis.call('set', 'e', 1) redis.call('pexpire', 'e', -1) return redis.call('exists', 'e')
----
local a = redis.call('object', 'encoding', 'l') return a
----
return redis.call('sort', 'l', 'by', 'nosort')
----
return redis.call('publish', 'channel', 'x')
----
return redis.call('command', 'count') > 0
----
return redis.call('geoadd', 'g', 13, 38, 'a')
----
redis.call('geoadd', 'g', 13, 38, 'a') return redis.call('geopos', 'g', 'a', 'nosuch')
----
return redis.call('zmscore', 'nosuch', 'a', 'b')
----
redis.setresp(3) return redis.call('zmscore', 'nosuch', 'a', 'b')
----
return redis.call('lpos', 'l', 2)
----
return redis.call('lpop', 'nosuch', 2)
----
redis.setresp(3) return redis.call('lpop', 'nosuch', 2)
----
return redis.call('bitfield', 'b', 'set', 'u8', 0, 300, 'overflow', 'fail', 'incrby', 'u8', 0, 300)
----
return redis.call('flushall')
