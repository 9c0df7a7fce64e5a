ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/composer:2.9 AS build
WORKDIR /app
COPY composer.* ./
RUN composer install --no-dev --no-interaction --no-scripts --prefer-dist --ignore-platform-reqs
COPY . .
RUN composer dump-autoload --no-dev --optimize --no-scripts

FROM ${BASE_REGISTRY}/mlocati/php-extension-installer:2 AS extensions

FROM ${BASE_REGISTRY}/library/php:$[[ version ]]-apache-bookworm
RUN mv "$PHP_INI_DIR/php.ini-production" "$PHP_INI_DIR/php.ini"
COPY --from=extensions /usr/bin/install-php-extensions /usr/local/bin/
RUN install-php-extensions bcmath exif gd intl opcache pcntl pdo_mysql pdo_pgsql redis zip
RUN sed -i 's/Listen 80$/Listen 8080/' /etc/apache2/ports.conf \
 && sed -i -e 's/:80>/:8080>/' -e 's#/var/www/html#/var/www/html/$[[ web_root ]]#' \
    /etc/apache2/sites-available/000-default.conf \
 && a2enmod rewrite
COPY --from=build --chown=10001:10001 /app /var/www/html
USER 10001:10001
EXPOSE 8080
CMD ["apache2-foreground"]
