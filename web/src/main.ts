import { mount } from 'svelte'
import Door from './access/Door.svelte'
import './app.css'

const target = document.getElementById('page')
if (target) mount(Door, { target })
