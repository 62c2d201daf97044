// What the person chose or dropped, as a list of {file, rel}: rel is the path below the target folder.

/** From a file input; a chosen folder is named, its name is not part of rel. */
export function fromInput(input) {
  const files = [...input.files];
  const folder = files[0]?.webkitRelativePath.split("/")[0] || "";
  const entries = files.map((file) => ({
    file,
    rel: folder ? file.webkitRelativePath.slice(folder.length + 1) : file.name,
  }));
  input.value = ""; // so that the same choice is a change again
  return { entries, folder };
}

const readAll = async (directory) => {
  const reader = directory.createReader();
  const all = [];
  for (;;) {
    // A reader hands out at most 100 names at a time.
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return all;
    all.push(...some);
  }
};

/** From a drop: files, folders or both. One folder alone counts as chosen by itself. */
export async function fromDrop(transfer) {
  // The list is emptied when the event is over: take the entries before the first wait.
  const tops = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const folder = tops.length === 1 && tops[0].isDirectory ? tops[0].name : "";
  const entries = [];
  const todo = tops.map((entry) => [entry, entry.name]);
  while (todo.length) {
    const [entry, rel] = todo.pop();
    if (entry.isDirectory) {
      for (const child of await readAll(entry)) todo.push([child, rel + "/" + child.name]);
    } else {
      const file = await new Promise((done, fail) => entry.file(done, fail));
      entries.push({ file, rel: folder ? rel.slice(folder.length + 1) : rel });
    }
  }
  return { entries, folder };
}
