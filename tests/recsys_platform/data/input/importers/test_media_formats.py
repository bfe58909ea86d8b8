"""Films, news, books, music and videos: tiny folders in each published layout, and what becomes of every record."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_model.errors import DataError
from tests.recsys_platform.data.input.importers.folders import events, find, left_out, lines, rows, write


def test_movielens_csv_quotes_titles_with_commas_and_has_its_own_word_for_no_genre(tmp_path):
    files = {
        "ratings.csv": "userId,movieId,rating,timestamp\n1,11,4.0,964982703\n1,40697,5,964981247\n",
        "movies.csv": (
            'movieId,title,genres\n11,"American President, The (1995)",Comedy|Drama|Romance\n'
            '40697,Babylon 5,(no genres listed)\n7,"Big ""A"" (1990) ",Drama\n'
        ),
        "tags.csv": "userId,movieId,tag,timestamp\n1,11,classic,964982703\n",
        "links.csv": "movieId,imdbId,tmdbId\n11,112346,9087\n",
    }
    name, source = find(write(tmp_path, files))

    assert (name, source.files, source.keeps_unused_items) == ("movielens", ("ratings.csv", "movies.csv"), True)
    assert events(source) == [("1", "11", "964982703"), ("1", "40697", "964981247")]
    assert rows(source.items) == [
        {"item_id": "11", "title": "American President, The (1995)", "categories": ["Comedy", "Drama", "Romance"]},
        {"item_id": "40697", "title": "Babylon 5", "categories": []},
        {"item_id": "7", "title": 'Big "A" (1990)', "categories": ["Drama"]},
    ]


MIND = {
    "behaviors.tsv": (
        "1\tU13740\t11/11/2019 9:05:58 PM\tN55189 N42782\tN55689-1 N35729-0\n"
        "2\tU13740\t11/12/2019 12:31:00 AM\t\tN7-0\n3\tU1\t11/15/2019 8:55:22 AM\tN1\tN8 N9\nbroken\n"
    ),
    "news.tsv": 'N55689\tlifestyle\troyals\t"The ""Brands"" They Swear By\tShop.\thttps://x\t[]\t[]\n',
}


def test_only_clicked_impressions_of_mind_count(tmp_path):
    name, source = find(write(tmp_path, MIND))

    # 11 November 2019, 21:05:58 UTC
    assert (name, rows(source.interactions)) == (
        "mind",
        [{"user_id": "U13740", "item_id": "N55689", "timestamp": "1573506358"}, "broken"],
    )
    assert left_out(source.interactions) == [
        "impressions that were not clicked",
        "impressions that were not clicked",
        *["impressions of a test set, which says of none whether it was clicked,"] * 2,
    ]
    assert rows(source.items) == [
        {
            "item_id": "N55689",
            "title": '"The ""Brands"" They Swear By',
            "categories": ["lifestyle", "royals"],
            "description": "Shop.",
        }
    ]


def test_goodreads_names_authors_and_days_of_its_own_notation(tmp_path):
    event = {
        "user_id": "8842",
        "book_id": "130580",
        "review_id": "3b",
        "is_read": False,
        "rating": 0,
        "review_text_incomplete": "",
        "date_added": "Mon Oct 07 12:18:21 -0800 2019",
    }
    book = {
        "book_id": "130580",
        "title": "Best Friends",
        "authors": [{"author_id": "604031", "role": ""}],
        "description": "A tale.",
    }
    files = {
        "goodreads_interactions_poetry.json.gz": lines(event),
        "goodreads_books_poetry.json.gz": lines(book),
        "goodreads_book_authors.json.gz": lines({"author_id": "604031", "name": "Ronald Fair"}),
    }
    name, source = find(write(tmp_path, files))

    assert (name, set(source.files)) == ("goodreads", set(files))
    # 20:18:21 UTC
    assert events(source) == [("8842", "130580", "1570479501")]
    assert rows(source.interactions)[0]["rating"] is None
    assert [list(row.values()) for row in rows(source.items)] == [["130580", "Best Friends", "Ronald Fair", "A tale."]]


def test_the_csv_of_goodreads_numbers_books_otherwise_and_needs_their_map(tmp_path):
    files = {
        "goodreads_interactions.csv": "user_id,book_id,is_read,rating,is_reviewed\n0,948,1,5,0\n0,947,1,5,1\n",
        "goodreads_books.json.gz": lines({"book_id": "12", "title": "Wandering", "authors": []}),
    }
    with pytest.raises(DataError, match=r"has books, but no book_id_map.csv with book_id_csv, book_id"):
        find(write(tmp_path, files))
    write(tmp_path, {"book_id_map.csv": "book_id_csv,book_id\n948,12\n947,13\n"})
    _, source = find(tmp_path)

    assert events(source) == [("0", "12", "0"), ("0", "13", "1")]
    assert any("have no times" in note for note in source.notes)


@pytest.mark.parametrize("separator", [";", ","])
def test_bookcrossing_is_latin_1_with_escaped_quotes_and_unknown_ages(tmp_path, separator):
    quote = '\\"' if separator == ";" else '""'
    files = {
        "BX-Book-Ratings.csv": '"User-ID";"ISBN";"Book-Rating"\n"276725";"034545104X";"0"\n"276725";"0155061224";"5"\n',
        "BX-Books.csv": (
            f'"ISBN";"Book-Title";"Book-Author"\n"034545104X";"The {quote}Café{quote} &amp; Bar";"M. J. Rose"\n'
        ),
        "BX-Users.csv": '"User-ID";"Location";"Age"\n"276725";"tyler, texas, usa";NULL\n',
    }
    encoded = {name: text.replace(";", separator).replace(f"&amp{separator}", "&amp;") for name, text in files.items()}
    name, source = find(write(tmp_path, {name: text.encode("latin-1") for name, text in encoded.items()}))

    assert name == "bookcrossing"
    assert [(*event, row["rating"]) for event, row in zip(events(source), rows(source.interactions), strict=True)] == [
        ("276725", "034545104X", "0", None),
        ("276725", "0155061224", "1", "5"),
    ]
    assert rows(source.items) == [{"item_id": "034545104X", "title": 'The "Café" & Bar', "brand": "M. J. Rose"}]
    assert rows(source.users) == [{"user_id": "276725", "location": "tyler, texas, usa", "age": None}]


def test_lastfm_has_tabs_carriage_returns_and_no_times(tmp_path):
    files = {
        "user_artists.dat": "userID\tartistID\tweight\r\n2\t51\t13883\r\n2\t52\t11690\r\n3\t51\t1\r\n",
        "artists.dat": "id\tname\turl\tpictureURL\r\n51\tDuran Duran\thttp://x\thttp://y\r\n",
        "tags.dat": "tagID\ttagValue\r\n1\tmetal\r\n",
    }
    name, source = find(write(tmp_path, files))

    assert (name, events(source)) == ("lastfm", [("2", "51", "0"), ("2", "52", "1"), ("3", "51", "0")])
    assert rows(source.items) == [{"item_id": "51", "title": "Duran Duran"}]


def test_kuairec_reads_the_big_matrix_and_captions_over_several_lines(tmp_path):
    header = "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio\n"
    files = {
        "KuaiRec/data/big_matrix.csv": header
        + "0,3649,13838,10867,2020-07-05 00:08:23.438,20200705,1593878903.438,1.27\n"
        + "0,9598,0,10867,2020-07-05 00:08:24,20200705,1593878904,0.0\n",
        "KuaiRec/data/small_matrix.csv": header + "14,148,4381,6067,2020-07-05 05:27:48,20200705,1593898068.288,0.72\n",
        "KuaiRec/data/kuairec_caption_category.csv": (
            "video_id,manual_cover_text,caption,topic_tag,first_level_category_id,first_level_category_name\n"
            '3649,UNKNOWN,"two\nlines",[],8,Food\n9598,UNKNOWN,,[],-124,UNKNOWN\n'
        ),
        "KuaiRec/data/item_categories.csv": 'video_id,feat\n3649,[8]\n9598,"[27, 9]"\n',
        "KuaiRec/data/user_features.csv": "user_id,user_active_degree,register_days_range,onehot_feat0\n0,high_active,61-90,0\n",
    }
    name, source = find(write(tmp_path, files))

    assert (name, events(source)) == ("kuairec", [("0", "3649", "1593878903.438")])
    assert left_out(source.interactions) == ["videos that were shown and not played"]
    assert "KuaiRec/data/small_matrix.csv" not in source.files
    assert rows(source.items) == [
        {"item_id": "3649", "title": "two lines", "categories": ["Food"]},
        {"item_id": "9598", "title": None, "categories": ["27", "9"]},
    ]
    assert rows(source.users)[0]["register_days_range"] == "61-90"


def test_kuairand_counts_clicks_of_the_standard_logs(tmp_path):
    header = "user_id,video_id,date,hourmin,time_ms,is_click,is_like\n"
    files = {
        "log_standard_4_08_to_4_21_pure.csv": header
        + "0,10,20220421,700,1650497439110,1,0\n0,11,20220421,700,1650497439999,0,0\n",
        "log_standard_4_22_to_5_08_pure.csv": header + "0,12,20220422,700,1650583839000,1,0\n",
        "log_random_4_22_to_5_08_pure.csv": header + "0,13,20220422,700,1650583839000,1,0\n",
        "video_features_basic_pure.csv": 'video_id,author_id,video_type,tag\n10,7,NORMAL,"39,40"\n11,8,AD,\n',
    }
    name, source = find(write(tmp_path, files))

    assert (name, events(source)) == ("kuairand", [("0", "10", "1650497439.11"), ("0", "12", "1650583839")])
    assert left_out(source.interactions) == ["videos that were shown and not clicked"]
    assert rows(source.items) == [
        {"item_id": "10", "categories": ["39", "40"]},
        {"item_id": "11", "categories": []},
    ]


def test_captions_of_kuairand_are_titles(tmp_path):
    header = "user_id,video_id,date,hourmin,time_ms,is_click\n"
    files = {
        "data/log_standard_4_08_to_4_21_1k.csv": header + "0,10,20220421,700,1650497439110,1\n",
        "data/video_features_basic_1k.csv": "video_id,author_id,video_type,tag\n10,7,NORMAL,39\n",
        "kuairand_video_captions.csv": "final_video_id,caption,show_cover_text,duration\n10,,红色帐篷,9\n11,灯,,9\n",
    }
    name, source = find(write(tmp_path, files))
    assert (name, events(source)) == ("kuairand", [("0", "10", "1650497439.11")])
    assert rows(source.items) == [{"item_id": "10", "title": "红色帐篷"}, {"item_id": "11", "title": "灯"}]


def write_yambda(path: Path, columns: dict[str, list]) -> None:
    pq.write_table(pa.table(columns), path)


def test_yambda_counts_listenings_to_half_of_a_track_in_both_layouts(tmp_path):
    (tmp_path / "flat").mkdir()
    (tmp_path / "sequential").mkdir()
    flat = {"uid": [100, 100], "item_id": [8326270, 1441281], "timestamp": [39420, 39620], "is_organic": [0, 1]}
    write_yambda(tmp_path / "flat" / "listens.parquet", flat | {"played_ratio_pct": [100, 20]})
    write_yambda(tmp_path / "flat" / "likes.parquet", flat)
    nested = {name: [values] if name != "uid" else [100] for name, values in flat.items()}
    write_yambda(tmp_path / "sequential" / "listens.parquet", nested | {"played_ratio_pct": [[100, 20]]})

    for layout in ("flat", "sequential"):
        name, source = find(tmp_path / layout)
        assert (name, source.files) == ("yambda", ("listens.parquet",))
        assert events(source) == [("100", "8326270", "39420")]
        assert left_out(source.interactions) == ["listenings to less than half of a track"]


def test_yambdas_dislikes_do_not_count_and_lists_of_unequal_length_are_refused(tmp_path):
    columns = {"uid": [1, 1], "item_id": [5, 6], "timestamp": [0, 5], "is_organic": [1, 1]}
    write_yambda(tmp_path / "multi_event.parquet", columns | {"event_type": ["like", "dislike"]})
    _, source = find(tmp_path)
    assert rows(source.interactions) == [{"user_id": "1", "item_id": "5", "timestamp": "0", "action": "like"}]
    assert left_out(source.interactions) == ["dislikes and withdrawn likes"]

    write_yambda(
        tmp_path / "multi_event.parquet", {"uid": [1], "item_id": [[5, 6]], "timestamp": [[0]], "is_organic": [[1, 1]]}
    )
    with pytest.raises(DataError, match=r"the lists of uid 1 must be equally long, got {'item_id': 2, 'timestamp': 1"):
        rows(find(tmp_path)[1].interactions)
