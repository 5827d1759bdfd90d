export const trimCodeCache: (file: string) => { readonly from: number; readonly size: number }
