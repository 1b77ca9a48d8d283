// The rights of who is signed in: what the pages offer. The node decides, whatever they offer.
import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import { isGranted } from '../protocol/accounts/grants.ts'
import type { Context } from 'preact'
import type { Grant } from '../protocol/accounts/grants.ts'
import type { Verb } from '../protocol/accounts/verbs.ts'
import type { Place } from './files/place.ts'

export interface Rights {
  /** Owns the node: may do all, and ask about the machine. */
  readonly isOwner: boolean
  readonly may: (verb: Verb, place: Place) => boolean
}

const OWNER: Rights = { isOwner: true, may: () => true }

const Held: Context<Rights> = createContext<Rights>(OWNER)

/** Gives the rights to all that is inside. */
export const WithRights: typeof Held.Provider = Held.Provider

export function useRights(): Rights {
  return useContext(Held)
}

/** The rights of an account in its volume. */
export function rightsOf(grants: readonly Grant[]): Rights {
  return {
    isOwner: false,
    may: (verb, { path }) => isGranted(grants, verb, `/${path.join('/')}`),
  }
}
