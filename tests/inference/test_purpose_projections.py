"""Header terms and codes for views and body parts."""

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from ml import images
from tests.dicom_files import dataset, file_bytes, phantom
from webportal.inference.purpose.bodies import Region, bodies_of
from webportal.inference.purpose.projections import Projection, views_of

FRONTAL = {
    Projection.AP: """
        AP|ap|A.P.|A/P|AP SUPINE|AP_ERECT|AP PORTABLE|CHEST AP|APSUPINE|Antero-posterior
        |ANTEROPOSTERIOR|AP 1|AP1|AP SEMI-ERECT|ap  inspiration""",
    Projection.PA: """
        PA|pa|P.A.|PA ERECT|PAERECT|PA_STANDING|Postero-Anterior|posteroanterior|PA CHEST
        |POSTERIOR ANTERIOR|PA UPRIGHT""",
    Projection.FRONTAL: "FRONTAL|frontal view|AP/PA",
}
NOT_FRONTAL = """
    LAT|Lat|LATERAL|Lateral|LL|RL|L LAT|LEFT LATERAL|R LATERAL|LLAT|LAT ERECT|XTABLE LATERAL
    |X-TABLE LAT|CROSS TABLE LATERAL|XTABLE_LATERAL|CROSSTABLE|LLD|RLD|AP LLD|AP RLD|PA LLD|PA RLD
    |ap_lld|DECUB
    |DECUBITUS|LEFT DECUBITUS|LLDECUB|L DECUB|LAO|RAO|LPO|RPO|LLO|RLO|OBL|OBLIQUE
    |LEFT ANTERIOR OBLIQUE|PA OBLIQUE|SWIMMERS|swimmer's|AP AXIAL|AP LORDOTIC|LORDOTIC|MLO|CC|ML|LM
    |TANGENTIAL|PALAT|LAT1|LAT2|2LAT
    |LATERAL LEFT RANDOMWORD|Profil
"""
UNKNOWN = "FOO|AP FOO|ANT|POST|CHEST|L|R|W|VIEW 1|正面|??|DV"


def words(table: str) -> list[str]:
    return [word.strip() for word in table.split("|")]


def projection(position: str) -> Projection:
    (view,) = views_of(position, [])
    assert view.text == position
    return view.projection


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        *((word, p) for p, table in FRONTAL.items() for word in words(table)),
        *((word, Projection.NOT_FRONTAL) for word in words(NOT_FRONTAL)),
        *((word, Projection.UNKNOWN) for word in words(UNKNOWN)),
    ],
)
def test_view_positions(position: str, expected: Projection) -> None:
    assert projection(position) is expected


def code(value: str, meaning: str = "", of: str = "view") -> dict[str, str]:
    return {"of": of, "value": value, "scheme": "SCT", "meaning": meaning}


@pytest.mark.parametrize(
    ("value", "meaning", "expected"),
    [
        ("399348003", "", Projection.AP),
        ("R-10206", "", Projection.AP),
        ("272479007", "", Projection.PA),
        ("R-10214", "", Projection.PA),
        ("399033003", "", Projection.FRONTAL),
        ("399067008", "", Projection.NOT_FRONTAL),  # lateral
        ("R-102CD", "", Projection.NOT_FRONTAL),
        ("399173006", "", Projection.NOT_FRONTAL),  # left lateral
        ("R-10236", "", Projection.NOT_FRONTAL),
        ("399198007", "", Projection.NOT_FRONTAL),  # right lateral
        ("399135007", "", Projection.NOT_FRONTAL),  # left anterior oblique
        ("R-10220", "", Projection.NOT_FRONTAL),
        ("399356000", "", Projection.NOT_FRONTAL),  # right anterior oblique
        ("399006002", "", Projection.NOT_FRONTAL),  # left posterior oblique
        ("399038007", "", Projection.NOT_FRONTAL),  # right posterior oblique
        ("LOCAL1", "Left lateral", Projection.NOT_FRONTAL),
        ("LOCAL1", "antero-posterior left lateral decubitus", Projection.NOT_FRONTAL),
        ("LOCAL1", "postero-anterior", Projection.PA),
        ("LOCAL1", "", Projection.UNKNOWN),
        ("LOCAL1", "Special", Projection.UNKNOWN),
    ],
)
def test_view_codes(value: str, meaning: str, expected: Projection) -> None:
    (view,) = views_of("", [code(value, meaning)])
    assert view.projection is expected
    assert view.text == (meaning or value)


def test_a_modifier_can_make_a_view_non_frontal() -> None:
    frontal = code("399348003", "antero-posterior")
    (view,) = views_of("", [frontal, code("111069", "Crosstable", "view_modifier")])
    assert view.projection is Projection.NOT_FRONTAL
    assert view.text == "antero-posterior, Crosstable"
    (view,) = views_of("", [frontal, code("X", "Erect", "view_modifier")])
    assert view.projection is Projection.AP


def test_a_body_part_may_include_the_view() -> None:
    assert [v.projection for v in views_of("", [], "CHEST LAT")] == [Projection.NOT_FRONTAL]
    assert views_of("", [], "CHEST") == []
    assert views_of("", [], "WHATEVER") == []


@pytest.mark.parametrize(
    ("text", "is_from_the_side"),
    [
        ("Chest Lat", True),
        ("THORAX,LL", True),
        ("Thorax seitlich", True),
        ("Chest_L_Decub", True),
        ("Thorax LATERO-LATERALE", True),
        ("胸部侧位", True),
        ("Боковая", True),
        ("Lordotic view", True),
        # It may be the other of the two.
        ("Chest PA/LAT", False),
        ("Thorax face et profil", False),
        ("XR Chest bilateral", False),
        ("Chest AP portable", False),
        # Words that are something else outside of View Position.
        ("Dr Waters, 50 ML", False),
        ("CHEST PROFILE 2", False),
    ],
)
def test_descriptions_identify_only_views_from_the_side(text: str, is_from_the_side: bool) -> None:
    found = views_of("", [code("", text, "described")])
    assert [view.projection for view in found] == [Projection.NOT_FRONTAL] * is_from_the_side
    assert projection("AP") is Projection.AP


@pytest.mark.parametrize(
    "keyword", ["SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription"]
)
def test_descriptions_of_the_image_are_read_from_the_header(keyword: str) -> None:
    header = dataset(phantom())
    setattr(header, keyword, "CHEST,LAT")
    data = file_bytes(header)
    (described,) = images.describe(data).codes
    assert (described.of, described.meaning) == ("described", "CHEST,LAT")
    assert images.describe(file_bytes(dataset(phantom(), StudyDescription="CHEST LAT"))).codes == ()


CHEST = (
    "CHEST|Chest|THORAX|PORT CHEST|CHEST PORTABLE"
    "|LUNG|LUNGS|CHEST AP|chest_pa|PED CHEST|THORACIC CAVITY"
)
PART = (
    "RIBS|RIB|L RIBS|HEMITHORAX|LEFT HEMITHORAX|LEFT LUNG"
    "|LUNG RT|R LUNG|CHEST LT|STERNUM|RIB CAGE|CHEST_RIBS"
)
OTHER = (
    "ABDOMEN|HAND|SKULL|TSPINE|T-SPINE|THORACIC SPINE"
    "|PELVIS|KNEE|CHESTABDOMEN|CHEST ABDOMEN|NECK|SHOULDER|WHOLEBODY"
)
NO_WORD = "HEART|FOO|CHEST FOO|UNKNOWN|胸部"


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        *((word, Region.CHEST) for word in words(CHEST)),
        *((word, Region.PART) for word in words(PART)),
        *((word, Region.OTHER) for word in words(OTHER)),
        *((word, Region.UNKNOWN) for word in words(NO_WORD)),
    ],
)
def test_body_parts(part: str, expected: Region) -> None:
    (body,) = bodies_of(part, [])
    assert (body.text, body.region) == (part, expected)


@pytest.mark.parametrize(
    ("of", "value", "meaning", "expected"),
    [
        ("region", "51185008", "Chest", [Region.CHEST]),
        ("region", "816094009", "", [Region.CHEST]),
        ("region", "T-D3000", "Thorax", [Region.CHEST]),
        ("region", "T-11300", "Rib", [Region.PART]),
        ("region", "44029006", "Left lung", [Region.PART]),
        ("region", "39607008", "Lung structure, Left", [Region.PART]),
        ("region", "113345001", "Abdomen", [Region.OTHER]),
        ("region", "1", "Thing", [Region.UNKNOWN]),
        ("procedure", "1", "XR CHEST 2 VIEWS", [Region.CHEST]),
        ("procedure", "1", "XR Chest and abdomen", [Region.CHEST]),
        ("procedure", "1", "XR Hand left", [Region.OTHER]),
        ("procedure", "1", "XR THORACIC SPINE", [Region.OTHER]),
        ("procedure", "1", "XR Ribs unilateral", [Region.PART]),
        # A hospital's own words are no reason to doubt.
        ("procedure", "1", "Follow-up, ward 3", []),
    ],
)
def test_codes_of_the_body_part(of: str, value: str, meaning: str, expected: list[Region]) -> None:
    assert [body.region for body in bodies_of("", [code(value, meaning, of)])] == expected


def item(value: str, meaning: str, **elements: object) -> Dataset:
    found = Dataset()
    found.CodeValue, found.CodingSchemeDesignator, found.CodeMeaning = value, "SCT", meaning
    for keyword, element in elements.items():
        setattr(found, keyword, element)
    return found


def test_view_and_body_codes_are_read_from_the_header() -> None:
    modifier = item("111069", "Crosstable")
    side = item("7771000", "Left")
    header = dataset(
        phantom(),
        ViewPosition=["AP", "LLD"],
        BodyPartExamined="CHEST",
        PatientAge="003M",
        Laterality="R",
        ViewCodeSequence=Sequence(
            [item("399067008", "lateral", ViewModifierCodeSequence=Sequence([modifier]))]
        ),
        AnatomicRegionSequence=Sequence(
            [item("39607008", "Lung", AnatomicRegionModifierSequence=Sequence([side]))]
        ),
        ProcedureCodeSequence=Sequence([item("X1", "XR CHEST")]),
    )
    facts = images.describe(file_bytes(header))
    assert facts.view_position == "AP LLD"
    assert (facts.body_part_examined, facts.patient_age) == ("CHEST", "003M")
    assert facts.image_laterality == "R"
    assert [(code.of, code.value, code.meaning) for code in facts.codes] == [
        ("view", "399067008", "lateral"),
        ("view_modifier", "111069", "Crosstable"),
        ("region", "39607008", "Lung, Left"),
        ("procedure", "X1", "XR CHEST"),
    ]


@pytest.mark.parametrize(
    ("orientation", "is_from_the_side"),
    [
        (["P", "F"], True),
        (["AF", "F"], True),
        (["L", "P"], True),
        (["L", "F"], False),
        (["RP", "FA"], False),
        (["R"], False),
        (["?", "F"], False),
    ],
)
def test_patient_orientation_identifies_only_lateral_views(
    orientation: list[str], is_from_the_side: bool
) -> None:
    data = file_bytes(dataset(phantom(), PatientOrientation=orientation))
    codes = [vars(code) for code in images.describe(data).codes]
    found = [view.projection for view in views_of("", codes)]
    assert found == ([Projection.NOT_FRONTAL] if is_from_the_side else [])
    assert [view.projection for view in views_of("AP", codes)][:1] == [Projection.AP]
