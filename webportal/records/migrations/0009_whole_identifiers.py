"""Identifiers, names and descriptions are kept whole; one name is found however it was composed."""

from django.db import migrations, models

# Composed, in small letters, without accents and without the letters that nobody sees (joiners,
# marks of direction). Everything else is as it was.
FUNCTIONS = r"""
CREATE OR REPLACE FUNCTION search_words(words text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT btrim(regexp_replace(
        lower(unaccent(translate(
            normalize(words, NFC), U&'\00AD\200B\200C\200D\200E\200F\2060\FEFF', ''
        ))),
        '[\s^=,\\]+', ' ', 'g'
    ))
$$;

CREATE OR REPLACE FUNCTION sorted_name(name text, patient_id text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT concat(
        left(btrim(regexp_replace(
            lower(unaccent(translate(
                normalize(coalesce(
                    nullif(btrim(split_part(name, '=', 1), ' ^'), ''),
                    nullif(btrim(split_part(name, '=', 2), ' ^'), ''),
                    nullif(btrim(split_part(name, '=', 3), ' ^'), ''),
                    patient_id
                ), NFC), U&'\00AD\200B\200C\200D\200E\200F\2060\FEFF', ''
            ))),
            '\s*\^[\s^]*', E'\x02', 'g'
        )), 300),
        E'\x01', left(lower(patient_id), 100)
    )
$$;
"""

BACK = r"""
CREATE OR REPLACE FUNCTION search_words(words text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT btrim(regexp_replace(lower(unaccent(words)), '[\s^=,]+', ' ', 'g'))
$$;

CREATE OR REPLACE FUNCTION sorted_name(name text, patient_id text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT concat(
        left(btrim(regexp_replace(
            lower(unaccent(coalesce(
                nullif(btrim(split_part(name, '=', 1), ' ^'), ''),
                nullif(btrim(split_part(name, '=', 2), ' ^'), ''),
                nullif(btrim(split_part(name, '=', 3), ' ^'), ''),
                patient_id
            ))),
            '\s*\^[\s^]*', E'\x02', 'g'
        )), 300),
        E'\x01', left(lower(patient_id), 100)
    )
$$;
"""

# PostgreSQL alters no column that a trigger names.
TRIGGERS_AWAY = """
DROP TRIGGER study_words ON records_study;
DROP TRIGGER patient_words ON records_patient;
DROP TRIGGER patient_sort_name ON records_patient;
"""

TRIGGERS = """
CREATE TRIGGER study_words
AFTER INSERT OR UPDATE OF patient_id, accession_number ON records_study
FOR EACH ROW EXECUTE FUNCTION study_words();

CREATE TRIGGER patient_words
AFTER UPDATE OF name, patient_id ON records_patient
FOR EACH ROW EXECUTE FUNCTION patient_words();

CREATE TRIGGER patient_sort_name
AFTER UPDATE OF name, patient_id ON records_patient
FOR EACH ROW WHEN (OLD.name <> NEW.name OR OLD.patient_id <> NEW.patient_id)
EXECUTE FUNCTION patient_sort_name();
"""

# The trigger of the study fills in what is emptied here, and another one the words.
FILL = r"""
CREATE TEMPORARY TABLE written_otherwise ON COMMIT DROP AS
SELECT id FROM records_patient
WHERE concat(name, patient_id) IS NOT NFC NORMALIZED
    OR concat(name, patient_id) ~ U&'[\00AD\200B\200C\200D\200E\200F\2060\FEFF]';

UPDATE records_study SET sort_name = ''
WHERE patient_id IN (SELECT id FROM written_otherwise);

UPDATE records_studysearch AS search
SET text = ' '
    || search_words(concat_ws(' ', patient.name, patient.patient_id, study.accession_number))
FROM records_study AS study JOIN records_patient AS patient ON patient.id = study.patient_id
WHERE search.study_id = study.id AND patient.id IN (SELECT id FROM written_otherwise);

DROP TABLE written_otherwise;
"""


class Migration(migrations.Migration):
    dependencies = [("records", "0008_assigned_at")]

    operations = [
        migrations.RunSQL(TRIGGERS_AWAY, TRIGGERS),
        migrations.AlterField(
            model_name="patient",
            name="name",
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.AlterField(
            model_name="study",
            name="accession_number",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AlterField(
            model_name="study",
            name="description",
            field=models.TextField(blank=True),
        ),
        migrations.AlterField(
            model_name="study",
            name="referring_physician",
            field=models.TextField(blank=True, verbose_name="referring clinician"),
        ),
        migrations.RunSQL(TRIGGERS, TRIGGERS_AWAY),
        migrations.RunSQL(FUNCTIONS + FILL, BACK + FILL),
    ]
