// What the person chose or dropped: {entries: [{file, rel}], folder}. rel is the path below the
// target folder; the name of a folder that was chosen by itself is not part of it.

export function fromInput(input) {
  const files = [...input.files];
  const folder = files[0]?.webkitRelativePath.split("/")[0];
  const entries = files.map((file) => ({
    file,
    rel: folder ? file.webkitRelativePath.slice(folder.length + 1) : file.name,
  }));
  input.value = ""; // so that the same choice is a change again
  return { entries, folder };
}

const asked = (object, method) => new Promise((done, fail) => object[method](done, fail));

export async function fromDrop(transfer) {
  // The list is emptied when the event is over: take the entries before the first wait.
  const tops = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  const folder = tops.length === 1 && tops[0].isDirectory && tops[0].name;
  const entries = [];
  const todo = tops.map((entry) => [entry, folder ? "" : entry.name]);
  while (todo.length) {
    const [entry, rel] = todo.pop();
    if (entry.isDirectory) {
      const reader = entry.createReader();
      // A reader hands out at most 100 names at a time.
      for (let some; (some = await asked(reader, "readEntries")).length; ) {
        for (const child of some) todo.push([child, rel + (rel && "/") + child.name]);
      }
    } else {
      entries.push({ file: await asked(entry, "file"), rel });
    }
  }
  return { entries, folder };
}
