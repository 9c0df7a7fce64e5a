ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/ruby:$[[ version ]]-bookworm AS build
WORKDIR /app
ENV BUNDLE_PATH=/usr/local/bundle \
    BUNDLE_WITHOUT=development:test \
    BUNDLE_DEPLOYMENT=1
# .ruby-version too: a Gemfile may say `ruby file: ".ruby-version"`
COPY Gemfile Gemfile.lock .ruby-version* .tool-versions* ./
RUN bundle install && rm -rf /usr/local/bundle/cache
COPY . .
# an application that serves an API alone has no assets
RUN if grep -Eq '^    (sprockets|propshaft) ' Gemfile.lock; then \
      SECRET_KEY_BASE=precompile RAILS_ENV=production bundle exec rails assets:precompile; \
    fi

FROM ${BASE_REGISTRY}/library/ruby:$[[ version ]]-bookworm
WORKDIR /app
ENV BUNDLE_PATH=/usr/local/bundle \
    BUNDLE_WITHOUT=development:test \
    RAILS_ENV=production \
    RAILS_LOG_TO_STDOUT=1 \
    RAILS_SERVE_STATIC_FILES=1
COPY --from=build /usr/local/bundle /usr/local/bundle
COPY --from=build /app ./
RUN mkdir -p db log storage tmp && chown -R 10001:10001 db log storage tmp
USER 10001:10001
