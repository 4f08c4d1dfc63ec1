import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Relative, so that the page works below any path.
  base: './',
  plugins: [svelte()],
  build: {
    // The policy of the page allows nothing inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
  },
  server: { proxy: { '/api': process.env['HEPCAT_NODE'] ?? 'http://127.0.0.1:9080' } },
  test: { include: ['src/**/*.test.ts'] },
})
