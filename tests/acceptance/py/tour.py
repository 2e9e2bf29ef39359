"""What people do with the Elasticsearch client for Python, in its versions 7, 8 and 9; prints facts as JSON.

Usage: tour.py VERSION URL API_KEY INDEX. The facts are the same for every version.
"""

import importlib
import json
import sys
import warnings

warnings.simplefilter("ignore")
version, url, key, index = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
client_module = importlib.import_module(f"elasticsearch{version}")
helpers = importlib.import_module(f"elasticsearch{version}.helpers")
if version == 7:
    es = client_module.Elasticsearch([url], headers={"authorization": f"ApiKey {key}"}, timeout=40)
else:
    es = client_module.Elasticsearch(url, api_key=key, request_timeout=40)
REFUSED = client_module.exceptions.TransportError if version == 7 else client_module.ApiError
facts = {}


def plain(answer):
    return getattr(answer, "body", answer)


def sent(**body):
    """A body as 7 wants it; 8 and 9 take the same as names."""
    return {"body": body} if version == 7 else body


def search(index=None, **body):
    """A search's answer."""
    return plain(es.search(**({} if index is None else {"index": index}), **sent(**body)))


def counted(where):
    """Documents there."""
    return plain(es.count(index=where))["count"]


def fails(call):
    try:
        call()
    except REFUSED as error:
        return [error.status_code, error.error if version == 7 else error.body["error"]["type"]]
    return None


facts["major"] = int(plain(es.info())["version"]["number"].split(".")[0]) >= 8
facts["ping"] = es.ping()

# writing
documents = [
    {"_index": index, "_id": f"d{n}", "@timestamp": 1767268800000 + n * 1000,
     "message": f"order {n} {'paid' if n % 3 else 'failed'}", "level": "info" if n % 3 else "error", "took": n / 4,
     "user": {"id": n % 50}}
    for n in range(1500)
]  # fmt: skip
facts["bulk"] = list(helpers.bulk(es, documents, chunk_size=400, refresh="wait_for"))
facts["streaming_bulk"] = sum(
    ok for ok, _ in helpers.streaming_bulk(es, ({"_index": f"{index}-s", "n": n} for n in range(50)), refresh=True)
)
many = ({"_index": f"{index}-p", "n": n} for n in range(90))
facts["parallel_bulk"] = sum(ok for ok, _ in helpers.parallel_bulk(es, many, chunk_size=20))
again = helpers.streaming_bulk(es, [{"_op_type": "create", **documents[0]}], raise_on_error=False)
facts["create twice"] = [[ok, item["create"]["status"]] for ok, item in again]
updates = [
    {"_op_type": "update", "_index": index, "_id": "d1", "doc": {"level": "warn"}},
    {"_op_type": "delete", "_index": index, "_id": "d2"},
]
facts["update and delete"] = list(helpers.bulk(es, updates, refresh="wait_for"))
facts["get"] = plain(es.get(index=index, id="d1"))["_source"]["level"]
facts["gone"] = not es.exists(index=index, id="d2")

# reading
query = {"bool": {"must": [{"match": {"message": "failed"}}], "filter": [{"range": {"took": {"lt": 50}}}]}}
found = search(index=index, query=query, sort=[{"took": "asc"}], size=2, track_total_hits=True)
facts["search"] = [found["hits"]["total"], [hit["_id"] for hit in found["hits"]["hits"]]]
facts["count"] = counted(index)
everything = {"query": {"match_all": {}}}
facts["scan"] = len({hit["_id"] for hit in helpers.scan(es, index=index, size=200, query=everything)})
aggs = {"levels": {"terms": {"field": "level"}, "aggs": {"took": {"max": {"field": "took"}}}}}
buckets = search(index=index, size=0, aggs=aggs)["aggregations"]["levels"]["buckets"]
facts["aggs"] = [[b["key"], b["doc_count"], b["took"]["value"]] for b in buckets]
page = plain(es.search(index=index, scroll="1m", size=700, **sent(sort=["_doc"])))
pages = []
while page["hits"]["hits"]:
    pages.append(len(page["hits"]["hits"]))
    page = plain(es.scroll(**sent(scroll_id=page["_scroll_id"], scroll="1m")))
facts["scroll"] = pages
facts["clear_scroll"] = plain(es.clear_scroll(scroll_id=page["_scroll_id"]))["succeeded"]
pit = plain(es.open_point_in_time(index=index, keep_alive="1m"))["id"]
after, seen = None, 0
while True:
    body = {"pit": {"id": pit, "keep_alive": "1m"}, "size": 600, "sort": [{"took": "desc"}, {"_shard_doc": "asc"}]}
    hits = search(**body, **({"search_after": after} if after else {}))["hits"]["hits"]
    if not hits:
        break
    seen, after = seen + len(hits), hits[-1]["sort"]
facts["pit"] = seen
facts["close pit"] = plain(es.close_point_in_time(**sent(id=pit)))["succeeded"]
lines = [{"index": index}, {"size": 0}, {"index": f"{index}-nope"}, {}]
several = plain(es.msearch(body=lines) if version == 7 else es.msearch(searches=lines))["responses"]
facts["msearch"] = [several[0]["hits"]["total"]["value"], several[1]["status"]]
caps = plain(es.field_caps(index=index, fields="*"))["fields"]
facts["field_caps"] = {name: sorted(caps[name]) for name in ("@timestamp", "message", "took", "user.id")}
run = plain(es.async_search.submit(index=index, **sent(query={"term": {"level": "warn"}})))
facts["async_search"] = [hit["_id"] for hit in run["response"]["hits"]["hits"]]

# describing
facts["cat"] = [
    row["index"].removeprefix(index) for row in plain(es.cat.indices(index=f"{index}*", format="json", s="index"))
]
facts["cat text"] = str(plain(es.cat.count(index=index, h="count"))).strip()
facts["health"] = plain(es.cluster.health())["status"]
facts["nodes"] = plain(es.nodes.info())["_nodes"]["total"]
facts["exists"] = [bool(es.indices.exists(index=index)), bool(es.indices.exists(index=f"{index}-nope"))]
es.indices.create(index=f"{index}-made", **sent(aliases={f"{index}-alias": {}}))
facts["alias"] = [name.removeprefix(index) for name in plain(es.indices.get_alias(name=f"{index}-alias"))]
facts["created twice"] = fails(lambda: es.indices.create(index=f"{index}-made"))
taken = "body" if version == 7 else "document"
es.index(index=f"{index}-alias", refresh="wait_for", **{taken: {"message": "through"}})
facts["through the alias"] = counted(f"{index}-made")
pattern = {"index_patterns": [f"{index}-t-*"], "template": {"settings": {"number_of_shards": 1}}, "priority": 7}
es.indices.put_index_template(name=f"{index}-t", **sent(**pattern))
(kept,) = plain(es.indices.get_index_template(name=f"{index}-t"))["index_templates"]
facts["template"] = [
    kept["index_template"]["index_patterns"] == pattern["index_patterns"],
    kept["name"] == f"{index}-t",
]
steps = [{"set": {"field": "seen", "value": True}}, {"lowercase": {"field": "level"}}]
es.ingest.put_pipeline(id=f"{index}-p", **sent(processors=steps))
es.index(index=index, id="piped", pipeline=f"{index}-p", refresh="wait_for", **{taken: {"level": "LOUD"}})
facts["pipeline"] = plain(es.get(index=index, id="piped"))["_source"]
es.delete_by_query(index=index, refresh=True, **sent(query={"ids": {"values": ["piped"]}}))
facts["after delete_by_query"] = counted(index)
facts["reindex"] = list(helpers.reindex(es, index, f"{index}-copy", chunk_size=500))
es.indices.refresh(index=f"{index}-copy")
facts["copied"] = counted(f"{index}-copy")
statement = f'SELECT level, COUNT(*) AS n FROM "{index}" GROUP BY level ORDER BY level'
facts["sql"] = plain(es.sql.query(**sent(query=statement)))["rows"]
if version > 7:
    statement = f"FROM {index} | WHERE took < 10 | STATS n = COUNT(*) BY level | SORT level"
    facts["esql"] = plain(es.esql.query(query=statement))["values"]
facts["errors"] = [
    fails(lambda: es.get(index=f"{index}-nope", id="1")),
    fails(lambda: search(index=index, query={"wat": {}})),
    fails(lambda: es.indices.delete(index=f"{index}-nope")),
]
for name in ("-s", "-p", "-made", "-copy"):
    es.indices.delete(index=f"{index}{name}")
facts["deleted"] = bool(es.indices.exists(index=f"{index}-copy"))
json.dump(facts, sys.stdout)
