// Runs one script on a MicroPython with a 32-bit heap; used by __init__.py, which explains it.
//
// stdin: JSON {library, script, files: {path: base64}, heap, stack}. stdout: what the script prints.
// Exit status 1 and a traceback on stderr when the script raises.

import fs from "node:fs";
import { pathToFileURL } from "node:url";

const order = JSON.parse(fs.readFileSync(0));
const { loadMicroPython } = await import(pathToFileURL(order.library));

// Every loaded module holds the numbers of its names, 16 bits each, and the collector takes any word
// that looks like an address for one. Where this build has its heap, in the first megabytes, a pair
// of such numbers often does, and keeps garbage alive; the board's addresses begin at 0x20000000.
// So what lies below that many bytes (2560 names) is taken first, and the heap comes behind it.
const BELOW = 160 << 20;
const instantiate = WebAssembly.instantiate;
WebAssembly.instantiate = async (...given) => {
  const { instance, module } = await instantiate(...given);
  const { malloc, mp_js_init } = instance.exports;
  const init = (...sizes) => malloc(BELOW) && mp_js_init(...sizes);
  return { module, instance: { exports: { ...instance.exports, mp_js_init: init } } };
};

const machine = await loadMicroPython({
  heapsize: order.heap,
  pystack: order.stack,
  linebuffer: true,
  stdout: (line) => process.stdout.write(line + "\n"),
  stderr: (line) => process.stderr.write(line + "\n"),
});

for (const [path, content] of Object.entries(order.files)) {
  machine.FS.mkdirTree(path.slice(0, path.lastIndexOf("/")) || "/");
  machine.FS.writeFile(path, Buffer.from(content, "base64"));
}

// The collector cannot see WebAssembly's own stack, so this build collects only when Python has
// returned to JavaScript: a scenario returns here at every `yield`, and is told what is held then.
const DRIVER = `
import gc
def _begin():
    global _scenario
    _scenario = scenario() if "scenario" in globals() else iter(())
    try:
        next(_scenario)
    except StopIteration:
        return -1
    gc.collect()
    return 0
def _go_on():
    held = gc.mem_alloc()
    try:
        wait = _scenario.send(held)
    except StopIteration:
        return -1
    gc.collect()
    return wait or 0
gc.collect()
`;

try {
  machine.runPython("import sys\nsys.path.insert(0, '/board')\nimport firmware");
  machine.runPython(order.script);
  machine.runPython(DRIVER);
  const goOn = machine.globals.get("_go_on");
  let wait = machine.globals.get("_begin")();
  while (wait >= 0) {
    if (wait > 0) await new Promise((done) => setTimeout(done, wait));
    wait = goOn();
  }
} catch (error) {
  process.stderr.write(String(error.message ?? error) + "\n");
  process.exitCode = 1;
}
