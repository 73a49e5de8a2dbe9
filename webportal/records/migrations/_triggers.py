"""Functions and triggers that keep the words a study is found by, and its place in sorted lists."""

CREATE = r"""
-- Composed, in small letters, without accents and without the letters that nobody sees (joiners,
-- marks of direction); what parts the components of a DICOM name becomes a blank.
CREATE FUNCTION search_words(words text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT btrim(regexp_replace(
        lower(unaccent(translate(
            normalize(words, NFC), U&'\00AD\200B\200C\200D\200E\200F\2060\FEFF', ''
        ))),
        '[\s^=,\\]+', ' ', 'g'
    ))
$$;

CREATE FUNCTION study_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO records_studysearch (study_id, text)
    SELECT NEW.id,
        ' ' || search_words(concat_ws(' ', name, patient_id, NEW.accession_number))
    FROM records_patient WHERE id = NEW.patient_id
    ON CONFLICT (study_id) DO UPDATE SET text = EXCLUDED.text;
    RETURN NULL;
END $$;

CREATE FUNCTION patient_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE records_studysearch AS search
    SET text = ' ' || search_words(concat_ws(' ', NEW.name, NEW.patient_id, study.accession_number))
    FROM records_study AS study
    WHERE study.patient_id = NEW.id AND search.study_id = study.id;
    RETURN NULL;
END $$;

CREATE TRIGGER study_words
AFTER INSERT OR UPDATE OF patient_id, accession_number ON records_study
FOR EACH ROW EXECUTE FUNCTION study_words();

CREATE TRIGGER patient_words
AFTER UPDATE OF name, patient_id ON records_patient
FOR EACH ROW EXECUTE FUNCTION patient_words();

-- As `Patient.display_name` has it: of a name's ways of writing the first one with letters, and the
-- Patient ID where there is none. Family and given names are parted by what sorts before every
-- letter, so that all of a family come before longer names that begin like it, and the Patient ID
-- keeps apart those who are called the same. Cut off far above what names need, because an index
-- holds no more than some kilobytes.
CREATE FUNCTION sorted_name(name text, patient_id text)
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

CREATE FUNCTION study_sort_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.sort_name = (
        SELECT sorted_name(name, patient_id) FROM records_patient WHERE id = NEW.patient_id
    );
    -- The foreign key says that there is no such patient.
    NEW.sort_name = coalesce(NEW.sort_name, '');
    RETURN NEW;
END $$;

CREATE FUNCTION patient_sort_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE records_study SET sort_name = '' WHERE patient_id = NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER study_sort_name
BEFORE INSERT OR UPDATE OF patient_id, sort_name ON records_study
FOR EACH ROW EXECUTE FUNCTION study_sort_name();

-- The trigger of the study fills in what is emptied here.
CREATE TRIGGER patient_sort_name
AFTER UPDATE OF name, patient_id ON records_patient
FOR EACH ROW WHEN (OLD.name <> NEW.name OR OLD.patient_id <> NEW.patient_id)
EXECUTE FUNCTION patient_sort_name();

-- In small letters. Temporary identities, which nobody looks up, come after all others. The issuer
-- keeps apart those who have the same Patient ID elsewhere.
CREATE FUNCTION sorted_patient_id(patient_id text, issuer text, is_temporary boolean)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT concat(
        CASE WHEN is_temporary THEN E'\U0010FFFD' END,
        left(lower(patient_id), 100), E'\x01', left(lower(issuer), 100)
    )
$$;

CREATE FUNCTION study_sort_patient_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.sort_patient_id = (
        SELECT sorted_patient_id(patient_id, issuer, is_temporary)
        FROM records_patient WHERE id = NEW.patient_id
    );
    -- The foreign key says that there is no such patient.
    NEW.sort_patient_id = coalesce(NEW.sort_patient_id, '');
    RETURN NEW;
END $$;

CREATE FUNCTION patient_sort_patient_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE records_study SET sort_patient_id = '' WHERE patient_id = NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER study_sort_patient_id
BEFORE INSERT OR UPDATE OF patient_id, sort_patient_id ON records_study
FOR EACH ROW EXECUTE FUNCTION study_sort_patient_id();

-- The trigger of the study fills in what is emptied here.
CREATE TRIGGER patient_sort_patient_id
AFTER UPDATE OF patient_id, issuer, is_temporary ON records_patient
FOR EACH ROW WHEN (
    (OLD.patient_id, OLD.issuer, OLD.is_temporary)
    IS DISTINCT FROM (NEW.patient_id, NEW.issuer, NEW.is_temporary)
)
EXECUTE FUNCTION patient_sort_patient_id();
"""

DROP = """
DROP TRIGGER patient_sort_patient_id ON records_patient;
DROP TRIGGER study_sort_patient_id ON records_study;
DROP FUNCTION patient_sort_patient_id, study_sort_patient_id, sorted_patient_id;
DROP TRIGGER patient_sort_name ON records_patient;
DROP TRIGGER study_sort_name ON records_study;
DROP FUNCTION patient_sort_name, study_sort_name, sorted_name;
DROP TRIGGER patient_words ON records_patient;
DROP TRIGGER study_words ON records_study;
DROP FUNCTION patient_words, study_words, search_words;
"""
