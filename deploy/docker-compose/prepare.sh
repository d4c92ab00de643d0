#!/bin/sh
# Makes what the services of the cluster need, where it is not there yet. Runs inside it, in the image of the AWS command line.
set -eu

# again WHAT COMMAND...: until it succeeds, a minute at most.
again() {
    what=$1
    shift
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        "$@" && return
        sleep 3
    done
    echo "prepare: $what could not be made" >&2
    exit 1
}

table() {
    dynamodb() { aws dynamodb --endpoint-url http://dynamodb:8000 --region us-east-2 --output text "$@"; }
    # Argus up to 0.8 needs the keys only, from 0.9 on also the index by which items that have ended are left out.
    dynamodb describe-table --table-name gifnoc >/dev/null 2>&1 || dynamodb create-table --table-name gifnoc \
        --attribute-definitions AttributeName=bucket,AttributeType=S AttributeName=id,AttributeType=S \
        AttributeName=expires,AttributeType=N \
        --key-schema AttributeName=bucket,KeyType=HASH AttributeName=id,KeyType=RANGE \
        --global-secondary-indexes 'IndexName=Expires-index,KeySchema=[{AttributeName=bucket,KeyType=HASH},{AttributeName=expires,KeyType=RANGE}],Projection={ProjectionType=ALL},ProvisionedThroughput={ReadCapacityUnits=10,WriteCapacityUnits=5}' \
        --provisioned-throughput ReadCapacityUnits=10,WriteCapacityUnits=5 >/dev/null || return 1
    dynamodb update-time-to-live --table-name gifnoc \
        --time-to-live-specification Enabled=true,AttributeName=expires >/dev/null 2>&1 || true
}

topic() {
    aws sns --endpoint-url http://sns:4100 --region us-east-1 create-topic --name xmidt-local-caduceus --output text
}

again "the table of Argus" table
again "the topic" topic
echo "prepare: the table and the topic are there"
