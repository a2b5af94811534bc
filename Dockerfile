# One image for every role: `docker run wa-api serve --role http`, `… sessions --network whatsapp`.
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/wa-api
COPY requirements.lock ./
RUN /opt/wa-api/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY wa_api wa_api
COPY workers workers
RUN /opt/wa-api/bin/pip install --no-cache-dir --no-deps .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /data wa-api && install -d -o wa-api -m 700 /data /srv/media
COPY --from=build /opt/wa-api /opt/wa-api
ENV PATH=/opt/wa-api/bin:$PATH PYTHONUNBUFFERED=1 WA_DATA_DIR=/data WA_HTTP_HOST=0.0.0.0 WA_LOG_FORMAT=json
USER wa-api
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["wa-api", "healthy"]
ENTRYPOINT ["wa-api"]
CMD ["serve"]
