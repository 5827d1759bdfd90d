/**
 * What several rooms of the page are made of.
 */
import type { ComponentChildren } from "preact"
import { useState } from "preact/hooks"
import { number, places } from "./words.ts"

/** Beside the colour, for who does not see it. */
const MARKS = { good: "\u2713", bad: "\u2717", moving: "\u2026", plain: "\u2013" } as const
export type Tone = keyof typeof MARKS

export const Mark = ({ tone }: { readonly tone: Tone }) => (
  <span class={`mark ${tone}`} aria-hidden="true">
    {MARKS[tone]}
  </span>
)

export const Room = ({
  aside,
  children,
  id,
  title
}: {
  readonly id: string
  readonly title: string
  readonly aside?: ComponentChildren
  readonly children: ComponentChildren
}) => (
  <section aria-labelledby={id}>
    <div class="head">
      <h2 id={id}>{title}</h2>
      {aside !== undefined && <span class="aside">{aside}</span>}
    </div>
    {children}
  </section>
)

/** A text with the places in the spec that it names. */
export const Marked = ({ text }: { readonly text: string }) => (
  <>
    {places(text).map(({ isPlace, text }, index) =>
      isPlace ? (
        <mark key={`${index} ${text}`} title="Place in the spec">
          {text}
        </mark>
      ) : (
        text
      )
    )}
  </>
)

/** Characters of a text that stands there as a whole. */
const WHOLE = 600
const BEGINNING = 400

/** What is long can be opened. */
export const Long = ({ text }: { readonly text: string }) => {
  const [isOpen, open] = useState(false)
  if (text.length <= WHOLE) return <Marked text={text} />
  return (
    <>
      <Marked text={isOpen ? text : `${text.slice(0, BEGINNING)}\u2026 `} />
      <button type="button" class="link" aria-expanded={isOpen} onClick={() => open(!isOpen)}>
        {isOpen ? "Show less" : `Show all ${number(text.length)} characters`}
      </button>
    </>
  )
}

const SHOWN = 5
const MORE = 200

/** The first of many, and the rest when it is asked for. */
export const Listed = <A,>({
  all,
  children,
  kind = "plain"
}: {
  readonly all: ReadonlyArray<A>
  readonly kind?: string
  readonly children: (one: A, index: number) => ComponentChildren
}) => {
  const [shown, show] = useState(SHOWN)
  const left = all.length - shown
  return (
    <>
      <ul class={kind}>{all.slice(0, shown).map(children)}</ul>
      {left > 0 && (
        <button type="button" class="link" onClick={() => show(shown + MORE)}>
          {left > MORE ? `Show ${MORE} more of ${number(left)}` : `Show the other ${number(left)}`}
        </button>
      )}
    </>
  )
}

export const Facts = ({
  all
}: {
  readonly all: ReadonlyArray<readonly [name: string, value: ComponentChildren] | null>
}) => (
  <dl>
    {all.map(
      (fact) =>
        fact !== null && (
          <>
            <dt>{fact[0]}</dt>
            <dd>{fact[1]}</dd>
          </>
        )
    )}
  </dl>
)
