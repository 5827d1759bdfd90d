/**
 * Asks for the token, once.
 */
import { useState } from "preact/hooks"

interface Props {
  readonly enter: (token: string) => void
  readonly refused: string | null
}

export const Login = ({ enter, refused }: Props) => {
  const [text, setText] = useState("")
  return (
    <main class="login">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault()
          enter(text.trim().replace(/^Bearer\s+/i, ""))
        }}
      >
        <h1>Compute</h1>
        {refused !== null && (
          <p role="alert" class="fault">
            The token was not taken: {refused}
          </p>
        )}
        <label>
          Token of the API
          <input
            type="password"
            autocomplete="off"
            required
            aria-describedby="kept"
            value={text}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        </label>
        <p id="kept" class="soft">
          The JWT that this compute&rsquo;s API takes. It is kept for this tab only, and goes to this compute and to
          nobody else.
        </p>
        <div class="buttons">
          <button type="submit" class="main">
            Look
          </button>
          <button type="button" class="link" onClick={() => enter("")}>
            It needs none
          </button>
        </div>
      </form>
    </main>
  )
}
