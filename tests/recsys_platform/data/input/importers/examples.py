"""One small folder of each format, as text files; Yambda's is Parquet and written by `write_example`."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.recsys_platform.data.input.importers.folders import write

EXAMPLES: dict[str, dict[str, str]] = {
    "amazon2023": {
        "Tools.jsonl": '{"parent_asin": "B1", "user_id": "A", "timestamp": 1628643414042, "rating": 5.0, "text": "ok"}\n'
        * 2,
        "meta_Tools.jsonl": '{"parent_asin": "B1", "title": "Saw", "main_category": "Tools", "details": {"Brand": "Acme"}}\n',
    },
    "mcauley": {
        "Home_5.json": '{"reviewerID": "A1", "asin": "B1", "unixReviewTime": 1393545600, "helpful": [1, 2]}\n' * 2,
        "meta_Home.json": "{'asin': 'B1', 'title': 'Pan', 'categories': [['Home', 'Pans']]}\n",
    },
    "movielens": {
        "ratings.csv": "userId,movieId,rating,timestamp\n1,11,4.0,964982703\n1,12,4.0,964982704\n",
        "movies.csv": 'movieId,title,genres\n11,"President, The (1995)",Comedy|Drama\n',
    },
    "mind": {
        "behaviors.tsv": "1\tU1\t11/11/2019 9:05:58 PM\tN1\tN2-1 N3-0\n2\tU1\t11/12/2019 9:05:58 PM\tN1\tN3-1\n",
        "news.tsv": "N2\tnews\tworld\tA day\tText.\thttp\t[]\t[]\n",
    },
    "yelp": {
        "review.json": '{"review_id": "r", "user_id": "u", "business_id": "b", "stars": 4.0, "date": "2014-10-11 03:34:02"}\n'
        * 2,
        "business.json": '{"business_id": "b", "name": "Door", "city": "Tampa", "categories": "Food, Tea"}\n',
    },
    "steam": {
        "reviews.json": "{u'username': u'Ann', u'product_id': u'10', u'date': u'2017-12-17'}\n" * 2,
        "games.json": "{u'id': u'10', u'app_name': u'Counter', u'genres': [u'Action']}\n",
    },
    "goodreads": {
        "interactions.json": (
            '{"user_id": "8", "book_id": "13", "rating": 4, "date_added": "Mon Oct 07 12:18:21 -0800 2019"}\n' * 2
        ),
        "books.json": '{"book_id": "13", "title": "Friends", "authors": [{"author_id": "6"}]}\n',
        "authors.json": '{"author_id": "6", "name": "Fair"}\n',
    },
    "bookcrossing": {
        "BX-Book-Ratings.csv": '"User-ID";"ISBN";"Book-Rating"\n"27";"034545104X";"0"\n"27";"0155061224";"5"\n',
        "BX-Books.csv": '"ISBN";"Book-Title";"Book-Author"\n"034545104X";"The \\"Bar\\"";"Rose"\n',
        "BX-Users.csv": '"User-ID";"Location";"Age"\n"27";"tyler, texas";NULL\n',
    },
    "lastfm": {
        "user_artists.dat": "userID\tartistID\tweight\r\n2\t51\t13883\r\n2\t52\t11690\r\n",
        "artists.dat": "id\tname\turl\tpictureURL\r\n51\tDuran Duran\thttp\thttp\r\n",
    },
    "hm": {
        "transactions_train.csv": "t_dat,customer_id,article_id,price\n2018-09-20,c1,0108775015,0.05\n2018-09-21,c1,0108775015,0.05\n",
        "articles.csv": "article_id,prod_name,detail_desc\n0108775015,Strap top,Jersey\n",
    },
    "retailrocket": {
        "events.csv": "timestamp,visitorid,event,itemid,transactionid\n1433221332117,25,view,35,\n1433221332118,25,view,36,\n",
        "item_properties.csv": "timestamp,itemid,property,value\n1435460400000,35,categoryid,1338\n1435460400000,35,888,n6\n",
    },
    "diginetica": {
        "train-item-views.csv": "sessionId;userId;itemId;timeframe;eventdate\n1;NA;81;526309;2016-05-09\n1;NA;31;5;2016-05-09\n",
        "products.csv": "itemId;pricelog2;product.name.tokens\n81;10;4875,776\n",
        "product-categories.csv": "itemId;categoryId\n81;1096\n",
    },
    "otto": {"train.jsonl": '{"session": 0, "events": [{"aid": 59, "ts": 1661724000278, "type": "clicks"}]}\n' * 2},
    "kuairec": {
        "big_matrix.csv": "user_id,video_id,play_duration,timestamp,watch_ratio\n0,36,138,1593878903.4,1.2\n0,95,0,1593878904,0\n",
        "captions.csv": 'video_id,manual_cover_text,caption\n36,UNKNOWN,"two\nlines"\n',
        "item_categories.csv": "video_id,feat\n36,[8]\n",
    },
    "kuairand": {
        "log_standard_pure.csv": "user_id,video_id,time_ms,is_click\n0,10,1650497439110,1\n0,11,1650497439999,0\n",
        "video_features_basic_pure.csv": 'video_id,author_id,video_type,tag\n10,7,NORMAL,"39,40"\n',
    },
    "yambda": {},
    "recbole": {
        "a.inter": "user_id:token\titem_id:token\tlabel:float\ttimestamp:float\n1\t5\t1\t1574000000\n1\t6\t0\t1574000001\n",
        "a.item": "item_id:token\ttitle:token_seq\trelease_year:token\n5\tTent\t1995\n6\tTent\t1996\n",
        "a.user": "user_id:token\tage:token\n1\t24\n",
    },
    "p5": {
        "user_sequence.txt": "A1YJ B0047 B004Z\nA2KK B0047\n",
        "item_plain_text.txt": "B0047 title: butter; brand: na; categories: beauty, care\nB004Z brush\n",
    },
    "sequences": {"Beauty.txt": "1 4 2 9\n2 4 4\n"},
    "lcrec": {
        "X.inter.json": '{"0": [1, 0],\n"1": [1]}\n',
        "X.item.json": '{"0": {"title": "Pan"},\n"1": {"title": "Pot", "categories": "Home,Pans"}}\n',
        "X.index.json": '{"0": ["<a_1>", "<b_2>"],\n"1": ["<a_1>", "<b_3>"]}\n',
    },
    "minionerec": {
        "train.csv": (
            "user_id,history_item_id,item_id,history_item_sid,item_sid\nA1,[0],1,['<a_1>'],<a_2>\n"
            "A1,\"[0, 1]\",2,\"['<a_1>', '<a_2>']\",<a_3>\n"
        ),
        "info.txt": "<a_1>\tPen\t0\n<a_2>\tPad\t1\n",
    },
}


def write_example(folder: Path, name: str) -> Path:
    """Write the folder of a format."""
    folder.mkdir(parents=True, exist_ok=True)
    if name == "yambda":
        columns = {"uid": [1, 1], "item_id": [8, 9], "timestamp": [5, 10], "is_organic": [0, 1]}
        pq.write_table(pa.table(columns), folder / "listens.parquet")
    return write(folder, EXAMPLES[name])
