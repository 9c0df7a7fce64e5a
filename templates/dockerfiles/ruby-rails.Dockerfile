ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/ruby:$[[ version ]]-bookworm AS build
WORKDIR /app
ENV BUNDLE_PATH=/usr/local/bundle \
    BUNDLE_WITHOUT=development:test \
    BUNDLE_DEPLOYMENT=1
COPY Gemfile Gemfile.lock ./
RUN bundle install && rm -rf /usr/local/bundle/cache
COPY . .
RUN SECRET_KEY_BASE_DUMMY=1 RAILS_ENV=production bundle exec rails assets:precompile

FROM ${BASE_REGISTRY}/library/ruby:$[[ version ]]-bookworm
WORKDIR /app
ENV BUNDLE_PATH=/usr/local/bundle \
    BUNDLE_WITHOUT=development:test \
    RAILS_ENV=production
COPY --from=build /usr/local/bundle /usr/local/bundle
COPY --from=build --chown=10001:10001 /app ./
USER 10001:10001
