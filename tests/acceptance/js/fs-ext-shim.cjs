// Preloaded with NODE_OPTIONS=--require: stands in for the native module fs-ext (file locks between processes), which
// has to be compiled. The tests run one process per profile, so a lock that always succeeds is enough.
'use strict';

const Module = require('node:module');

const shim = {
  constants: { LOCK_SH: 1, LOCK_EX: 2, LOCK_NB: 4, LOCK_UN: 8 },
  flock: (descriptor, flags, callback) => setImmediate(callback ?? flags, null),
  flockSync: () => 0,
};

const load = Module._load;
Module._load = function (request, ...rest) {
  return request === 'fs-ext' ? shim : load.call(this, request, ...rest);
};
