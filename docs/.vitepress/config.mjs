import * as fs from "node:fs"
import * as path from "node:path"

const docs = path.resolve(import.meta.dirname, "..")
const titleOf = (file) => /^# (.+)$/m.exec(fs.readFileSync(path.join(docs, file), "utf8"))?.[1] ?? file
const folder = (name) =>
  fs
    .readdirSync(path.join(docs, name))
    .filter((file) => file.endsWith(".md"))
    .toSorted()
    .map((file) => ({ text: titleOf(path.join(name, file)), link: `/${name}/${file.replace(/\.md$/, "")}` }))

const pages = (...names) => names.map((name) => ({ text: titleOf(`${name}.md`), link: `/${name}` }))

export default {
  title: "compute_ctl",
  description: "Turns an empty machine into a running Neon compute and supervises its Postgres",
  // A link to a page that is not there fails the build.
  ignoreDeadLinks: false,
  cleanUrls: true,
  themeConfig: {
    outline: [2, 3],
    search: { provider: "local" },
    sidebar: [
      { text: "Start here", items: pages("index", "concepts") },
      { text: "Behaviour", items: folder("behaviour") },
      { text: "Reference", items: folder("reference"), collapsed: true },
      { text: "Operating", items: pages("moving", "differences", "stability", "performance", "security") },
      { text: "Runbooks", items: folder("runbooks"), collapsed: true }
    ]
  }
}
