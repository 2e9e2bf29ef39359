// pino and winston ship to Elasticsearch. Usage: elastic_loggers.mjs URL API_KEY INDEX; ends when all is acknowledged.
import pino from 'pino'
import pinoElastic from 'pino-elasticsearch'
import winston from 'winston'
import { ElasticsearchTransport } from 'winston-elasticsearch'
const [node, apiKey, index] = process.argv.slice(2)
const problems = []

const stream = pinoElastic({ node, auth: { apiKey }, index: `${index}-pino`, esVersion: 8, flushBytes: 1000, flushInterval: 300 })
for (const event of ['insertError', 'error']) stream.on(event, (error) => problems.push(String(error)))
const inserted = []
stream.on('insert', (stats) => inserted.push(stats))
const log = pino({ level: 'info' }, stream)
for (let n = 0; n < 60; n += 1) log[n % 10 ? 'info' : 'error']({ n, user: { id: n % 7 } }, `pino line ${n} ü`)
for (let n = 0; n < 200 && inserted.reduce((sum, stats) => sum + stats.successful, 0) < 60; n += 1) {
  if (n === 20) stream.end() // what fills no flush of its own
  await new Promise((resolve) => setTimeout(resolve, 50))
}

const transport = new ElasticsearchTransport({
  level: 'info', index: `${index}-winston`, clientOpts: { node, auth: { apiKey } }, flushInterval: 200, ensureIndexTemplate: true,
})
transport.on('error', (error) => problems.push(String(error)))
const logger = winston.createLogger({ transports: [transport] })
logger.on('error', (error) => problems.push(String(error)))
for (let n = 0; n < 60; n += 1) logger.log({ level: n % 10 ? 'info' : 'error', message: `winston line ${n} ü`, meta: { n } })
const { bulkWriter } = transport
for (let n = 0; n < 200 && !(bulkWriter.esConnection && bulkWriter.bulk.length === 0); n += 1) {
  await new Promise((resolve) => setTimeout(resolve, 50))
}
await transport.flush()
console.log(JSON.stringify({ problems }))
process.exit(0)
