import { render } from "preact"
import { App } from "./App.tsx"

const place = document.getElementById("console")
if (place !== null) render(<App />, place)
