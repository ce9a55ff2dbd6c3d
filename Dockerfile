# The scheduler, and every other command: docker run ... partition-keeper health
FROM node:24-alpine AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY bin ./bin
COPY lib ./lib
RUN npx tsc -p tsconfig.build.json && chmod +x dist/bin/partition-keeper.js

FROM node:24-alpine AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts

FROM node:24-alpine
ENV NODE_ENV=production
ENV PARTITION_KEEPER_LISTEN=0.0.0.0:9850
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
COPY sql ./sql
RUN ln -s /app/dist/bin/partition-keeper.js /usr/local/bin/partition-keeper
# The config is looked for here: mount a folder with partitions.config.ts, .js, .mjs or .json.
WORKDIR /app/config
USER node
EXPOSE 9850
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PARTITION_KEEPER_LISTEN.split(':').pop()}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/bin/partition-keeper.js"]
CMD ["serve"]
