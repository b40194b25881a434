# candgen with JupyterLab: docker build -t candgen . && docker run -p 8888:8888 candgen
# (datasets and results: -v "$PWD/outputs:/candgen/outputs")
FROM python:3.12-slim

# make sets up; git records the commit of each run; a compiler builds the index annoy.
RUN apt-get update \
    && apt-get install -y --no-install-recommends git make g++ \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home candgen && mkdir /candgen && chown candgen /candgen
USER candgen
WORKDIR /candgen
COPY --chown=candgen . .
RUN make setup

EXPOSE 8888
CMD ["make", "lab", "LAB=--ip=0.0.0.0 --no-browser"]
